"""Deep Residual Learning for Image Recognition (He, Zhang, Ren and Sun, CVPR 2016).

With the cardinality of ResNeXt (Xie et al., CVPR 2017), the wide bottlenecks of Wide Residual
Networks (Zagoruyko and Komodakis, BMVC 2016), and ResNet-MC, the baseline with exits of MSDNet
(Huang et al., ICLR 2018, section 5). Where a unit halves the resolution its middle (or first) 3x3
convolution strides, as torchvision has it. Images of any size are taken: every convolution and
pooling pads, so that maps shrink to one pixel and stay.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, cast

from search_spaces.architecture import Architecture, Condition, Decision, Domain, Option, whole
from search_spaces.blocks import BlockGraph, BlockSpec, Image
from search_spaces.builder_options import for_each
from search_spaces.chain import Chain
from search_spaces.conv_norm import ConvNorm
from search_spaces.errors import SpaceError
from search_spaces.exits import canonical_exits, early_exits, exit_decisions, head
from search_spaces.residual import EveryPixel, Residual, Serial
from search_spaces.space import SearchSpace

Choices = Mapping[str, Any]

# The block ---------------------------------------------------------------------------------------


def residual_unit(
    chosen: Choices, given: int, width: int, kernel: int, stride: int
) -> tuple[Residual, int]:
    """Return a unit on ``given`` channels in a stage of that ``width``, and its output channels.

    Basic: two convolutions. Bottleneck: 1x1, then kernel x kernel in groups, then 1x1 to four
    times the width. Both are activated after the sum (CVPR 2016, figure 5).
    """
    if chosen["unit"] == "basic":
        out = width
        body = [ConvNorm(given, width, kernel, stride)]
        body += [ConvNorm(width, out, kernel, activation="none")]
    else:
        out, groups = 4 * width, chosen["groups"]
        hidden = groups * max(1, int(width * chosen["hidden"] / groups))
        body = [ConvNorm(given, hidden, 1)]
        body += [ConvNorm(hidden, hidden, kernel, stride, groups=groups)]
        body += [ConvNorm(hidden, out, 1, activation="none")]
    around = shortcut(chosen["shortcut"], given, out, stride)
    return Residual(Serial(tuple(body)), around, activation="relu"), out


def shortcut(kind: str, given: int, out: int, stride: int) -> BlockSpec | None:
    """Return what leads around a unit: None, the identity, where shapes agree.

    Where they do not (section 3.3): "pad", option A, keeps every other pixel and counts missing
    channels as zero; "projection", option B, is a strided 1x1 convolution.
    """
    if kind == "pad":
        return EveryPixel(stride) if stride > 1 else None
    if stride == 1 and given == out:
        return None
    return ConvNorm(given, out, 1, stride, activation="none")


# The network -------------------------------------------------------------------------------------


def layout(chosen: Choices, image: Image, classes: int) -> BlockGraph:
    """Return stem, stages (each half as large and twice as wide as the last) and classifiers."""
    chain = Chain(image, classes)
    width = chosen["width"]
    small = chosen["stem"] == "cifar"
    stem = ConvNorm(image[0], width, 3) if small else ConvNorm(image[0], width, 7, 2, pool=True)
    chain.place("stem", stem, width)
    for stage in range(1, chosen["stages"] + 1):
        _stage(chain, chosen, stage)
    chain.leave(head("pool", chain.channels, classes))
    return chain.graph()


def _stage(chain: Chain, chosen: Choices, stage: int) -> None:
    scope = f"stage{stage}."
    blocks, kernel = chosen[scope + "blocks"], chosen[scope + "kernel"]
    followed = early_exits(chosen[scope + "exits"], blocks, stage == chosen["stages"])
    width = chosen["width"] * 2 ** (stage - 1)
    for block in range(1, blocks + 1):
        stride = 2 if stage > 1 and block == 1 else 1
        unit, channels = residual_unit(chosen, chain.channels, width, kernel, stride)
        chain.place(f"{scope}block{block}", unit, channels)
        if block in followed:
            chain.leave(head(chosen["head"], channels, chain.classes))


# The decisions -----------------------------------------------------------------------------------

STEMS = ("cifar", "imagenet")
UNITS = ("basic", "bottleneck")
_STAGES = (3, 4)


def _decisions() -> tuple[Decision, ...]:
    scopes = [f"stage{stage}." for stage in range(1, max(_STAGES) + 1)]
    exist = [Condition("stages", (4,)) if scope == "stage4." else None for scope in scopes]
    return (
        *_global_decisions(),
        *(
            decision
            for scope, condition in zip(scopes, exist, strict=True)
            for decision in (
                Decision(scope + "blocks", (2, 1, 3), "residual units", condition, whole(400)),
                Decision(scope + "kernel", (3, 5), "size of the middle kernel", condition),
            )
        ),
        *exit_decisions(scopes, exist),
    )


def _global_decisions() -> list[Decision]:
    bottleneck = Condition("unit", ("bottleneck",))
    ratio, most = Domain("float", 1 / 64, 64), 100_000
    return [
        Decision("stem", STEMS, "first convolution: 3x3, or 7x7/2 and max-pool"),
        Decision("unit", UNITS, "two 3x3 convolutions, or 1x1-3x3-1x1"),
        Decision("shortcut", ("pad", "projection"), "where shapes change: option A or B"),
        Decision("width", (16, 8, 24), "channels of stage 1", None, whole(most), width=True),
        Decision("groups", (1, 4, 8), "cardinality (ResNeXt)", bottleneck, whole(most)),
        Decision("hidden", (1.0, 2.0), "bottlenecks, times the stage's width", bottleneck, ratio),
        Decision("stages", _STAGES, "resolutions, each half the last"),
    ]


# The space ---------------------------------------------------------------------------------------


class ResNet(SearchSpace):
    """ResNet, ResNeXt and Wide ResNet with bottlenecks; exits after any residual unit."""

    name = "resnet"
    version = 1
    reference: ClassVar[str] = "He et al., CVPR 2016; Xie et al., CVPR 2017"
    decisions = _decisions()

    @cached_property
    def published(self) -> Mapping[str, Architecture]:
        """The ResNets of the papers, on CIFAR (depths 6n+2) and on ImageNet."""
        return _published()

    def canonical(self, choices: dict[str, Option]) -> dict[str, Option]:
        """Set where exits stand, and their head, to the first option that means the same."""
        scopes = [f"stage{stage}." for stage in range(1, cast(int, choices["stages"]) + 1)]
        canonical_exits(choices, {s: cast(int, choices[s + "blocks"]) for s in scopes})
        return choices

    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        """Return the blocks; images of any size and number of channels are taken."""
        return layout(architecture.decisions(), image, classes)


RESNET = ResNet()


# The published networks ---------------------------------------------------------------------------

IMAGENET_DEPTHS: Mapping[int, tuple[str, tuple[int, ...]]] = {
    10: ("basic", (1, 1, 1, 1)),
    18: ("basic", (2, 2, 2, 2)),
    26: ("bottleneck", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
    200: ("bottleneck", (3, 24, 36, 3)),
}
"""Unit and blocks per stage by depth: the paper's 18, 34, 50, 101 and 152 (table 1); 10 and 26 are
those of common use, 200 has the stages of Identity Mappings (ECCV 2016), but the units of here."""


def resnet(
    depth: int | None = None,
    *,
    stem: str | None = None,
    blocks: Sequence[int] | None = None,
    unit: str | None = None,
    shortcut: str | None = None,
    width: int | None = None,
    groups: int = 1,
    group_width: int = 64,
    exits: str | Sequence[str] = "none",
    head: str = "pool",
) -> Architecture:
    """Return the ResNet of a ``depth``, or of these ``blocks`` per stage (3 or 4 stages).

    ``stem`` is "imagenet" for a depth of ``IMAGENET_DEPTHS`` unless said otherwise, and "cifar"
    for all else: depths 6n+2, or 9n+2 with bottlenecks. It sets the defaults of ``shortcut``
    (option A or B) and ``width`` (channels of stage 1: 16 or 64). ``groups`` x ``group_width`` is
    the size of stage 1's bottlenecks at width 64, as in "32x4d". ``exits``: where exits stand in
    all stages, or in each ("4-8": after units 4 and 8). Raises SpaceError for what no ResNet has.
    """
    if stem is None:
        stem = "imagenet" if depth in tuple(IMAGENET_DEPTHS) else "cifar"
    if stem not in STEMS:
        raise SpaceError(f"stem cannot be {stem!r}: choose from {', '.join(STEMS)}")
    kind, counts = _units(depth, blocks, stem, unit)
    small = stem == "cifar"
    choices: dict[str, Option] = {
        "stem": stem,
        "unit": kind,
        "shortcut": ("pad" if small else "projection") if shortcut is None else shortcut,
        "width": (16 if small else 64) if width is None else width,
        **_cardinality(kind, groups, group_width),
        "stages": len(counts),
        "head": head,
    }
    places = for_each("exits", exits, len(counts), "stage")
    for stage, (count, place) in enumerate(zip(counts, places, strict=True), start=1):
        scope = f"stage{stage}."
        choices |= {scope + "blocks": count, scope + "kernel": 3, scope + "exits": place}
    return RESNET.point(choices)


def resnet_mc(head: str = "pool") -> Architecture:
    """Return ResNet-MC (MSDNet paper, section 5): 62 layers, exits in each stage, 7 in all.

    The paper does not give the ``head`` of its exits; the total it quotes fits "pool".
    """
    return resnet(62, exits="4-8", head=head)


def _units(
    depth: int | None, blocks: Sequence[int] | None, stem: str, unit: str | None
) -> tuple[str, Sequence[int]]:
    """Return the kind of unit, and how many of them each stage has."""
    if (depth is None) == (blocks is None):
        raise SpaceError("a ResNet has either a depth or blocks: give exactly one")
    if unit not in (None, *UNITS):
        raise SpaceError(f"unit cannot be {unit!r}: choose from {', '.join(UNITS)}")
    if blocks is not None:
        if not isinstance(blocks, list | tuple) or len(blocks) not in _STAGES:
            raise SpaceError(f"blocks cannot be {blocks!r}: one for each of 3 or 4 stages")
        return "basic" if unit is None else unit, blocks
    if stem == "cifar":
        layers = 9 if unit == "bottleneck" else 6
        if type(depth) is not int or depth <= 2 or depth % layers != 2:
            known = ", ".join(map(str, IMAGENET_DEPTHS))
            raise SpaceError(f"depth cannot be {depth!r}: {layers}n+2 on CIFAR, else {known}")
        return "basic" if unit is None else unit, [depth // layers] * 3
    if type(depth) is not int or depth not in IMAGENET_DEPTHS:
        known = ", ".join(map(str, IMAGENET_DEPTHS))
        raise SpaceError(f"depth cannot be {depth!r}: choose from {known}, or give blocks")
    kind, counts = IMAGENET_DEPTHS[depth]
    if unit not in (None, kind):
        raise SpaceError(f"unit cannot be {unit!r}: depth {depth} has {kind} units")
    return kind, counts


def _cardinality(unit: str, groups: int, group_width: int) -> dict[str, Option]:
    for name, value in (("groups", groups), ("group_width", group_width)):
        if type(value) is not int or value < 1:
            raise SpaceError(f"{name} cannot be {value!r}: a whole number from 1")
    if unit == "bottleneck" and groups * group_width > 64 * 64:
        raise SpaceError(f"groups x group_width cannot be {groups} x {group_width}: at most 4096")
    if unit == "bottleneck":
        return {"groups": groups, "hidden": groups * group_width / 64}
    if (groups, group_width) != (1, 64):
        raise SpaceError("groups and group_width need unit 'bottleneck'")
    return {}


def _published() -> Mapping[str, Architecture]:
    """Return the networks of the papers: CIFAR and ImageNet depths, ResNeXt, wide, with exits."""
    depths = (20, 32, 44, 56, 110, 10, 18, 26, 34, 50, 101, 152)
    networks = {f"resnet-{depth}": resnet(depth) for depth in depths}
    networks["resnet-mc"] = resnet_mc()
    for depth, groups, width in ((50, 32, 4), (101, 32, 4), (101, 32, 8), (101, 64, 4)):
        network = resnet(depth, groups=groups, group_width=width)
        networks[f"resnext-{depth}-{groups}x{width}d"] = network
    for depth in (50, 101):
        networks[f"wide-resnet-{depth}-2"] = resnet(depth, group_width=128)
    return networks
