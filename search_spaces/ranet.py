"""Resolution Adaptive Networks for Efficient Inference (Yang et al., CVPR 2020).

Easy images leave a small network that sees them at low resolution; hard ones go on through
networks of higher resolution, which take in what was computed before. The block and the network are
in ``ranet_network``; here are the decisions, the space and the published networks.
"""

from collections.abc import Mapping
from functools import cached_property, partial
from typing import ClassVar, Literal, cast

from search_spaces.architecture import Architecture, Condition, Decision, Domain, Option
from search_spaces.blocks import BlockGraph, Image
from search_spaces.builder_options import Factors, factors, stem_and_head
from search_spaces.errors import SpaceError
from search_spaces.exits import HEADS
from search_spaces.msd_network import bottleneck_factors
from search_spaces.ranet_network import (
    ResolutionAdaptiveLayout,
    SubNetwork,
    exit_blocks,
    subnetworks,
)
from search_spaces.space import SearchSpace

# The decisions -----------------------------------------------------------------------------------

SCALE_LISTS = ("1-2-3", "1-2-2-3", "1-2-3-3", "1-2", "1-2-2", "1-2-3-4")
EXIT_BLOCKS = ("all", "end", "middle", "none")

_LIMIT = 16  # scales and sub-networks that a network may have
_WIDTH = Domain("int", 1, 100_000)
_LAYERS = Domain("int", 1, 400)
_FACTORS = Domain("factors")


def decisions(scale_lists: tuple[str, ...]) -> tuple[Decision, ...]:
    """Return the decisions of networks that have one of these scale lists."""
    lengths = {setting: len(setting.split("-")) for setting in scale_lists}
    return (
        Decision("stem", ("conv3", "conv7-pool"), "first convolution: 3x3, or 7x7/2 and max-pool"),
        Decision(
            "scale_list",
            SCALE_LISTS,
            "scale of each sub-network, the coarsest first; equal scales, equal resolution",
            None,
            _FACTORS,
        ),
        Decision("blocks", (2, 1), "of sub-network 1", None, Domain("int", 0, 100)),
        Decision(
            "block_step", (2, 1), "blocks more per sub-network", None, Domain("int", -100, 100)
        ),
        Decision("step_mode", ("even", "lg"), "blocks of equal depth, or of linear growth"),
        Decision("step", (4, 2, 3), "layers of a block", _mode("even"), _LAYERS),
        Decision("step_lg", (2, 1), "layers of the b-th block, divided by b", _mode("lg"), _LAYERS),
        Decision("channels", (16, 8), "of base features, times growth factor", None, _WIDTH, True),
        Decision("growth_rate", (6, 4, 8), "channels a layer adds", None, _WIDTH, True),
        Decision(
            "bottleneck_factors",
            ("growth", "1", "2", "4"),
            "bound of 1x1 bottlenecks per source sub-network, times what the unit gives out",
            domain=_FACTORS,
        ),
        Decision("reduction", (0.5, 0.75, 1.0), "of transitions", None, Domain("float", 0.001, 10)),
        Decision("fusion", ("on", "none"), "whether sub-networks take in the one before"),
        Decision(
            "compress_factor",
            (0.25, 0.5),
            "share of new features that come from the sub-network before",
            Condition("fusion", ("on",)),
            Domain("float", 0, 1),
        ),
        Decision("head", ("conv128", *(h for h in HEADS if h != "conv128")), "of the exits"),
        *(
            decision
            for number in range(1, max(lengths.values()) + 1)
            for decision in _of_subnetwork(
                number, tuple(setting for setting in lengths if lengths[setting] >= number)
            )
        ),
    )


def _mode(mode: str) -> Condition:
    return Condition("step_mode", (mode,))


def _of_subnetwork(number: int, scale_lists: tuple[str, ...]) -> tuple[Decision, Decision]:
    exists = Condition("scale_list", scale_lists)
    options = {1: (4, 2), 2: (2, 1)}.get(number, (1, 2))
    about = f"width of sub-network {number}"
    return (
        Decision(f"growth_factor.{number}", options, about, exists, Domain("int", 1, 64)),
        Decision(
            f"exits.{number}",
            EXIT_BLOCKS,
            "dense blocks (those beyond the sub-network before) that an exit follows",
            exists,
            _FACTORS,
        ),
    )


# The space ---------------------------------------------------------------------------------------


class ResolutionAdaptive(SearchSpace):
    """RANet's family: how many sub-networks, at which scales, how they grow, fuse and answer.

    The last dense block of the network always has an exit. Without fusion sub-networks share
    the base features alone. Images of any size are taken: a map of one pixel is halved to itself.
    """

    name = "ranet"
    version = 1
    reference: ClassVar[str] = "Yang et al., CVPR 2020"
    decisions = decisions(SCALE_LISTS)

    @cached_property
    def published(self) -> Mapping[str, Architecture]:
        """The RANets of the official README and scripts, and those of BoostNet's comparison."""
        return _published()

    def decisions_for(self, choices: Mapping[str, Option]) -> tuple[Decision, ...]:
        """Return the searched decisions, and more where ``choices`` say another scale list.

        Raises SpaceError for a scale list that no network may have.
        """
        given = choices.get("scale_list")
        if not isinstance(given, str) or given in SCALE_LISTS or not _FACTORS.admits(given):
            return self.decisions
        scales = factors("scale_list", given)
        if len(scales) > _LIMIT or max(scales) > _LIMIT:
            raise SpaceError(
                f"ranet: scale_list cannot be {given}: at most {_LIMIT} scales from 1 to {_LIMIT}"
            )
        return decisions((*SCALE_LISTS, given))

    def canonical(self, choices: dict[str, Option]) -> dict[str, Option]:
        """Set what has no effect back, and every sub-network's exits to the first equal option."""
        subs = subnetworks(choices)
        _refuse_misfits(choices, subs)
        if len(subs) == 1:
            choices["block_step"] = 2
        if choices["fusion"] == "on" and (len(subs) == 1 or not choices["compress_factor"]):
            choices["fusion"] = "none"
            del choices["compress_factor"]
        if not any(sub.has_transition(b) for sub in subs for b in range(1, sub.blocks + 1)):
            choices["reduction"] = 0.5
        growth = [cast(int, choices[f"growth_factor.{sub.number}"]) for sub in subs]
        if bottleneck_factors(cast(str, choices["bottleneck_factors"]), growth) == growth:
            choices["bottleneck_factors"] = "growth"
        _name_exits(choices, subs)
        return choices

    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        """Return the blocks; images of any size and number of channels are taken."""
        return ResolutionAdaptiveLayout(architecture.decisions(), image, classes).graph()


def _refuse_misfits(choices: Mapping[str, Option], subs: list[SubNetwork]) -> None:
    """Raise SpaceError for settings that do not go together."""
    if not any(sub.dense_blocks for sub in subs):
        raise SpaceError("ranet: blocks cannot be 0 unless a later sub-network has more")
    setting = cast(str, choices["bottleneck_factors"])
    if setting != "growth" and setting.count("-") + 1 not in (1, len(subs)):
        raise SpaceError(
            f"ranet: bottleneck_factors {setting!r} must be one factor or one for each of "
            f"{len(subs)} sub-networks"
        )
    for sub in subs:
        named = cast(str, choices[f"exits.{sub.number}"])
        if named not in EXIT_BLOCKS and max(map(int, named.split("-"))) > sub.dense_blocks:
            raise SpaceError(
                f"ranet: exits.{sub.number} cannot be {named}: the sub-network has "
                f"{sub.dense_blocks} dense blocks"
            )


def _name_exits(choices: dict[str, Option], subs: list[SubNetwork]) -> None:
    """Set the exits of every sub-network to the first setting that means the same blocks."""
    last = max(sub.number for sub in subs if sub.dense_blocks)
    for sub in subs:
        name, dense = f"exits.{sub.number}", sub.dense_blocks
        always = {dense} if sub.number == last else set()
        given = cast(str, choices[name])
        wanted = always | exit_blocks(given, dense)
        choices[name] = next(
            setting
            for setting in (*EXIT_BLOCKS, given)
            if always | exit_blocks(setting, dense) == wanted
        )


RANET = ResolutionAdaptive()


# The published networks ---------------------------------------------------------------------------


def ranet(
    *,
    data: str = "cifar10",
    nBlocks: int = 2,
    nChannels: int = 16,
    growthRate: int = 6,
    grFactor: Factors = "4-2-1",
    bnFactor: Factors = "4-2-1",
    block_step: int = 2,
    scale_list: Factors = "1-2-3",
    compress_factor: float = 0.25,
    step: int = 4,
    stepmode: Literal["even", "lg"] = "even",
    reduction: float = 0.5,
    bnAfter: bool = True,
    nScales: int | None = None,
) -> Architecture:
    """Return the RANet of the official options (RANet-pytorch, args.py), same defaults.

    ``data`` ("cifar10", "cifar100" or "ImageNet") picks stem and heads. Factors and scales are
    written from the coarsest sub-network to the finest; bottleneck factors beyond the last
    sub-network have no effect, nor has ``bnAfter``: the official network reads neither. ``nScales``
    follows from ``grFactor`` and, where given, must agree with it.

    Also built are networks at which the official code fails: fusion blocks of one layer, shares
    that round to no features, heads whose convolutions leave other than 2x2 pixels. Raises
    SpaceError for options that no network has.
    """
    growth, bounds = factors("grFactor", grFactor), factors("bnFactor", bnFactor)
    scales = factors("scale_list", scale_list)
    if len(scales) != len(growth) or len(bounds) < len(growth):
        raise SpaceError(
            f"scale_list {scale_list!r}, grFactor {grFactor!r} and bnFactor {bnFactor!r} must have "
            "one number per sub-network"
        )
    if nScales not in (None, len(growth)):
        raise SpaceError(f"nScales cannot be {nScales!r}: grFactor has {len(growth)} factors")
    if not isinstance(bnAfter, bool):
        raise SpaceError(f"bnAfter cannot be {bnAfter!r}: True or False")
    return RANET.point(
        {
            **stem_and_head(data),
            "scale_list": "-".join(map(str, scales)),
            "blocks": nBlocks,
            "block_step": block_step,
            "step_mode": stepmode,
            "step_lg" if stepmode == "lg" else "step": step,
            "channels": nChannels,
            "growth_rate": growthRate,
            "bottleneck_factors": "-".join(map(str, bounds[: len(growth)])),
            "reduction": reduction,
            "fusion": "on",
            "compress_factor": compress_factor,
            **{f"growth_factor.{i}": factor for i, factor in enumerate(growth, start=1)},
            **{f"exits.{i}": "all" for i in range(1, len(growth) + 1)},
        }
    )


def _published() -> Mapping[str, Architecture]:
    """Return the networks whose settings are published.

    cifar-c-1 to c-3 and imagenet-i-1, i-2: models C-1 to C-3 and I-1, I-2 of the paper's appendix,
    with the settings of BoostNet (AAAI 2023), which shares an author. c-1 is also the README's
    CIFAR example, i-1 its ImageNet example. cifar-anytime: train_cifar.sh; cifar-default: args.py;
    imagenet-16: train_imagenet.sh, with 16 channels and factors 4-2-1-1.
    """
    four = partial(ranet, grFactor="4-2-1-1", bnFactor="4-2-1-1", scale_list="1-2-3-3")
    wide = partial(ranet, grFactor="4-2-2-1", bnFactor="4-2-2-1")
    imagenet = partial(wide, data="ImageNet", growthRate=16, step=8, scale_list="1-2-3-4")
    return {
        "ranet-cifar-default": ranet(),
        "ranet-cifar-anytime": four(),
        "ranet-cifar-c-1": ranet(step=2, stepmode="lg"),
        "ranet-cifar-c-2": wide(step=2, stepmode="lg", scale_list="1-2-2-3"),
        "ranet-cifar-c-3": four(step=2, stepmode="lg"),
        "ranet-imagenet-i-1": imagenet(nChannels=32),
        "ranet-imagenet-i-2": imagenet(nChannels=64),
        "ranet-imagenet-16": imagenet(grFactor="4-2-1-1", bnFactor="4-2-1-1"),
    }
