"""MnasNet: Platform-Aware Neural Architecture Search for Mobile (Tan et al., CVPR 2019).

The paper's factorized hierarchical space (section 4): seven blocks on MobileNetV2's skeleton
(Sandler et al., CVPR 2018). The layers of a block are alike; blocks differ. Each has
4 operations x 2 kernels x 2 squeeze ratios x 3 skips x 3 widths x 3 depths = 432 settings, which is
the paper's S where MBConv3 and MBConv6 count as two operations. The first option of every decision
gives MobileNetV2, with MnasNet's activation and constants. MnasNet-A1, -B1 and -small have widths
off this grid: the domain of ``filters`` holds them, the search does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Any, ClassVar

from search_spaces.architecture import Architecture, Decision, Domain, Option
from search_spaces.blocks import BlockGraph, BlockSpec, Image, Norm, interned
from search_spaces.builder_options import for_each
from search_spaces.chain import Chain
from search_spaces.conv_norm import ConvNorm
from search_spaces.conv_op import ConvOp
from search_spaces.errors import SpaceError
from search_spaces.exits import Head, canonical_exits, early_exits, exit_decisions, head
from search_spaces.residual import Pool, Residual
from search_spaces.space import SearchSpace

# The block ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a block: channels in and out, and the step of its convolution in pixels."""

    in_channels: int
    out_channels: int
    stride: int

    @property
    def keeps_shape(self) -> bool:
        """Whether a skip can go around it: features leave as they came, in size and number."""
        return self.stride == 1 and self.in_channels == self.out_channels

    def spec(self, choice: Mapping[str, Any], activation: str, padding: str) -> BlockSpec:
        """Return the layer with the ``op``, ``kernel``, ``se`` and ``skip`` of its block.

        Expansion and squeeze ratio refer to the channels that come in. All operations end linear
        but the plain convolution, which is activated, then gated.
        """
        skip = choice["skip"] if self.keeps_shape else "none"
        shape = self.in_channels, self.out_channels, self.stride
        op, kernel, se = choice["op"], choice["kernel"], choice["se"]
        return _layer_spec(op, kernel, se, skip, shape, activation, padding)


@interned
def _layer_spec(
    op: str,
    kernel: int,
    se: float,
    skip: str,
    shape: tuple[int, int, int],
    activation: str,
    padding: str,
) -> BlockSpec:
    given, out, stride = shape
    body = ConvOp(
        op,
        given,
        out,
        kernel,
        stride,
        hidden=int(op[6:]) * given if op.startswith("mbconv") else 0,
        squeezed=max(1, int(se * given)) if se else 0,
        activation=activation,
        last=activation if op == "conv" else "none",
        padding=padding,
    )
    if skip == "none":
        return body
    return Residual(body, Pool("average", 3, 1, 1) if skip == "pool" else None)


_convolution = interned(ConvNorm)
_classifier = interned(Head)


# The network -------------------------------------------------------------------------------------

MOBILENET_V2 = (
    (16, 1, 1),
    (24, 2, 2),
    (32, 3, 2),
    (64, 4, 2),
    (96, 3, 1),
    (160, 3, 2),
    (320, 1, 1),
)
"""Channels, layers and first layer's stride of each block (MobileNetV2, table 2)."""

SCOPES = tuple(f"block{block}." for block in range(1, len(MOBILENET_V2) + 1))

CONVENTIONS = {
    "official": ("tensorflow", Norm(0.01, 1e-3)),
    "torchvision": ("symmetric", Norm(1 - 0.9997, 1e-5)),
    "torch": ("symmetric", Norm()),
}
"""Padding and BatchNorm constants: of the authors' code, of torchvision's MnasNet, and torch's own
(timm's MnasNet, torchvision's MobileNetV2)."""


def scaled(channels: int, width: float) -> int:
    """Return ``width`` times ``channels`` as the nearest multiple of 8, but never 10 % below.

    MobileNetV2's rule. Channels that are no multiple of 8 themselves (the space's own 12 or 20)
    are rounded to the largest power of two that divides them, so that width 1 changes nothing.
    """
    unit = gcd(channels, 8)
    wanted = channels * width
    nearest = max(unit, int(wanted + unit / 2) // unit * unit)
    return nearest if nearest >= 0.9 * wanted else nearest + unit


def block_layers(chosen: Mapping[str, Any]) -> dict[str, tuple[Layer, ...]]:
    """Return the layers of each block by its scope; a block has at least one."""
    filters = tuple([chosen[scope + "filters"] for scope in SCOPES])
    beyond = tuple([chosen[scope + "layers"] for scope in SCOPES])
    found = _block_layers(chosen["stem"], chosen["width"], filters, beyond)
    return dict(zip(SCOPES, found, strict=True))


@interned
def _block_layers(
    stem: int, width: float, filters: tuple[int, ...], beyond: tuple[int, ...]
) -> tuple[tuple[Layer, ...], ...]:
    """The layers of each block; ``beyond``: how many more than MobileNetV2 has."""
    blocks = []
    given = scaled(stem, width)
    for channels, more, (_, usual, stride) in zip(filters, beyond, MOBILENET_V2, strict=True):
        out = scaled(channels, width)
        later = max(1, usual + more) - 1
        blocks.append((Layer(given, out, stride), *[Layer(out, out, 1)] * later))
        given = out
    return tuple(blocks)


def layout(chosen: Mapping[str, Any], image: Image, classes: int) -> BlockGraph:
    """Place the blocks of one architecture: stem, seven blocks with exits, features, classifier."""
    padding, norm = CONVENTIONS[chosen["conventions"]]
    activation, width = chosen["activation"], chosen["width"]
    chain = Chain(image, classes, norm)

    def convolve(name: str, out: int, kernel: int, stride: int) -> None:
        given = chain.channels
        spec = _convolution(given, out, kernel, stride, activation=activation, padding=padding)
        chain.place(name, spec, out)

    convolve("stem", scaled(chosen["stem"], width), 3, chosen["stem_stride"])
    for scope, layers in block_layers(chosen).items():
        choice = {name: chosen[scope + name] for name in ("op", "kernel", "se", "skip")}
        left = early_exits(chosen[scope + "exits"], len(layers), scope == SCOPES[-1])
        for position, layer in enumerate(layers, start=1):
            spec = layer.spec(choice, activation, padding)
            chain.place(f"{scope}layer{position}", spec, layer.out_channels)
            if position in left:
                chain.leave(head(chosen["head"], chain.channels, classes))
    grown = chosen["features_width"] == "grown"
    convolve("features", scaled(chosen["features"], max(1, width) if grown else 1), 1, 1)
    chain.leave(_classifier(chain.channels, (), classes, dropout=chosen["dropout"]))
    return chain.graph()


# The decisions -----------------------------------------------------------------------------------


def _fixed(name: str, option: Option, about: str, domain: Domain, width: bool = False) -> Decision:
    """A decision that no search varies, and what a network beside the search may have."""
    return Decision(name, (option,), about, None, domain, width)


def _others(*names: str) -> Domain:
    return Domain("names", names=names)


_CHANNELS = Domain("int", 1, 10_000)


def global_decisions() -> list[Decision]:
    """Return the decisions that hold for the whole network; the stem's stride alone is searched."""
    official, *others = CONVENTIONS
    return [
        _fixed("width", 1.0, "times all channels", Domain("float", 0.01, 100), width=True),
        _fixed("conventions", official, "padding and BatchNorm constants", _others(*others)),
        _fixed("activation", "relu", "of all but linear convolutions", _others("relu6")),
        _fixed("stem", 32, "channels of the first convolution", _CHANNELS),
        Decision("stem_stride", (2, 1), "2 as published, 1 for small images"),
        _fixed("features", 1280, "channels of the last convolution", _CHANNELS),
        _fixed("features_width", "fixed", "grown: times a width above 1", _others("grown")),
        _fixed("dropout", 0.2, "before the last classifier", Domain("float", 0, 0.99)),
    ]


def block_decisions() -> Iterator[Decision]:
    """Yield each block's choices (MnasNet, section 4.1)."""
    ops = ("sepconv", "mbconv6", "mbconv3", "conv")  # MobileNetV2 does not expand in block 1
    for scope, (channels, layers, _) in zip(SCOPES, MOBILENET_V2, strict=True):
        filters = (channels, channels * 3 // 4, channels * 5 // 4)
        about = "channels: 1, 0.75, 1.25 times MobileNetV2's"
        beyond = f"beyond MobileNetV2's {layers}; at least one is left"
        deeper = Domain("int", 1 - layers, 100)
        yield Decision(scope + "op", ops, "operation")
        yield Decision(scope + "kernel", (3, 5), "kernel size")
        yield Decision(scope + "se", (0.0, 0.25), "squeeze-and-excitation ratio")
        yield Decision(scope + "skip", ("identity", "pool", "none"), "where shapes agree")
        yield Decision(scope + "filters", filters, about, None, _CHANNELS, fine_width=True)
        yield Decision(scope + "layers", (0, 1, -1), beyond, None, deeper)
        ops = ("mbconv6", "mbconv3", "sepconv", "conv")


# The space ---------------------------------------------------------------------------------------


class MnasNet(SearchSpace):
    """MnasNet's own space: 432 settings for each of seven blocks, and exits along them.

    Images of any size are taken; each stride halves them, rounded up. A skip stands where the
    layer keeps size and channels, whether identity or 3x3 average.
    """

    name = "mnasnet"
    version = 1
    reference: ClassVar[str] = "Tan et al., CVPR 2019; Sandler et al., CVPR 2018"
    decisions = (*global_decisions(), *block_decisions(), *exit_decisions(SCOPES, [None] * 7))

    @cached_property
    def published(self) -> Mapping[str, Architecture]:
        """The MnasNets and MobileNetV2; the paper does not print MnasNet-A2 and -A3."""
        networks = {f"mnasnet-{name}": mnasnet(name) for name in ("a1", "b1", "small")}
        for width in (0.35, 0.5, 0.75, 1.4):
            networks[f"mnasnet-a1-{width}"] = mnasnet("a1", width)
        for width in (0.5, 0.75, 1.0, 1.3):
            networks[f"mnasnet-b1-{width}-torchvision"] = mnasnet("b1", width, "torchvision")
        networks["mobilenet-v2"] = mobilenet_v2()
        for width in (0.35, 0.5, 0.75, 1.4):
            networks[f"mobilenet-v2-{width}"] = mobilenet_v2(width)
        return networks

    def canonical(self, choices: dict[str, Option]) -> dict[str, Option]:
        """Set ``layers``, ``skip``, exits and their ``head`` back where they do nothing.

        ``features_width`` stays as it is: whoever widens the network later needs it.
        """
        blocks = block_layers(choices)
        for (scope, layers), (_, usual, _) in zip(blocks.items(), MOBILENET_V2, strict=True):
            choices[scope + "layers"] = len(layers) - usual
            if not any(layer.keeps_shape for layer in layers):
                choices[scope + "skip"] = "identity"
        canonical_exits(choices, {scope: len(layers) for scope, layers in blocks.items()})
        return choices

    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        """Return the blocks; images of any size and number of channels are taken."""
        return layout(architecture.decisions(), image, classes)


MNASNET = MnasNet()
_FIRST: dict[str, Option] = {d.name: d.options[0] for d in MNASNET.decisions}


# The published networks ---------------------------------------------------------------------------

_BLOCKS: dict[str, dict[str, tuple[Option, ...]]] = {
    "a1": {
        "op": ("sepconv", "mbconv6", "mbconv3", "mbconv6", "mbconv6", "mbconv6", "mbconv6"),
        "kernel": (3, 3, 5, 3, 3, 5, 3),
        "se": (0.0, 0.0, 0.25, 0.0, 0.25, 0.25, 0.0),
        "filters": (16, 24, 40, 80, 112, 160, 320),
        "layers": (0, 0, 0, 0, -1, 0, 0),
    },
    "b1": {
        "op": ("sepconv", "mbconv3", "mbconv3", "mbconv6", "mbconv6", "mbconv6", "mbconv6"),
        "kernel": (3, 3, 5, 5, 3, 5, 3),
        "filters": (16, 24, 40, 80, 96, 192, 320),
        "layers": (0, 1, 0, -1, -1, 1, 0),
    },
    "small": {
        "op": ("sepconv", "mbconv3", "mbconv6", "mbconv6", "mbconv6", "mbconv6", "mbconv6"),
        "kernel": (3, 3, 3, 5, 3, 5, 3),
        "se": (0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.0),
        "filters": (8, 16, 16, 32, 32, 88, 144),
        "layers": (0, -1, -1, 0, 0, 0, 0),
    },
}
"""The choices of the seven blocks, where they are not MobileNetV2's (the authors' code)."""


def mnasnet(
    name: str = "a1",
    width: float = 1.0,
    conventions: str = "official",
    exits: str | Sequence[str] = "none",
    head: str = "pool",
) -> Architecture:
    """Return MnasNet-A1, -B1 or -small ("a1", "b1", "small"), ``width`` times as wide.

    ``conventions``: "official", "torchvision" or "torch". The first block has no skip, at any
    width; only timm's small ("torch") has one. ``exits``: early ones, in all blocks or in each,
    and their ``head``. Raises SpaceError for what no network has.
    """
    if name not in tuple(_BLOCKS):
        raise SpaceError(f"name cannot be {name!r}: choose from {', '.join(_BLOCKS)}")
    choices: dict[str, Option] = {"width": width, "conventions": conventions, "head": head}
    places = for_each("exits", exits, len(SCOPES))
    choices |= {s + "exits": place for s, place in zip(SCOPES, places, strict=True)}
    for decision, options in _BLOCKS[name].items():
        choices |= {s + decision: o for s, o in zip(SCOPES, options, strict=True)}
    if name == "small":
        choices |= {"stem": 8, "dropout": 0.0}
    if (name, conventions) != ("small", "torch"):
        choices["block1.skip"] = "none"
    return MNASNET.point(_FIRST | choices)


def mobilenet_v2(width: float = 1.0) -> Architecture:
    """Return MobileNetV2 (Sandler et al., CVPR 2018), ``width`` times as wide, as torchvision's.

    Raises SpaceError for a width that no network has.
    """
    own: dict[str, Option] = {"width": width, "conventions": "torch", "activation": "relu6"}
    return MNASNET.point(_FIRST | own | {"features_width": "grown"})
