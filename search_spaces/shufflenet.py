"""ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices (CVPR 2018).

By Zhang, Zhou, Lin and Sun. Residual units whose 1x1 convolutions work in groups, and a channel
shuffle that lets the groups hear each other. Images of any size are taken: every strided layer is
padded, so that a map of one pixel stays one.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import ceil
from typing import Any, ClassVar, cast

from search_spaces.architecture import Architecture, Decision, Domain, Option
from search_spaces.blocks import BlockGraph, Image
from search_spaces.builder_options import for_each
from search_spaces.chain import Chain
from search_spaces.conv_norm import ConvNorm
from search_spaces.conv_op import ConvOp
from search_spaces.exits import Head, canonical_exits, early_exits, exit_decisions, head
from search_spaces.residual import Pool, Residual
from search_spaces.space import SearchSpace

STAGES = (2, 3, 4)
"""The paper counts the stem as stage 1."""

STAGE2_CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
"""Channels of stage 2 by number of groups, for like complexity (table 1); stages double them."""

# The block ---------------------------------------------------------------------------------------


def unit(
    op: str, channels: tuple[int, int], kernel: int = 3, stride: int = 1, bottleneck: int = 4
) -> Residual:
    """Return a ShuffleNet unit (figure 2) from ``channels`` (in, out).

    ``op`` says groups and shuffle, as in ``ConvOp``. The depthwise convolution runs on
    m = out / ``bottleneck`` channels, so that a unit on h x w pixels whose in and out are c
    costs hw(2cm/g + 9m). With stride 2 the input, averaged, is a part of the output, and the body
    gives the rest.
    """
    given, out = channels
    hidden = out // bottleneck
    if stride == 1:
        body = ConvOp(op, given, out, kernel, 1, hidden, 0, last="none")
        return Residual(body, activation="relu")
    body = ConvOp(op, given, out - given, kernel, stride, hidden, 0)
    return Residual(body, Pool("average", 3, stride, 1), "concat")


# The network -------------------------------------------------------------------------------------


def buildable(channels: float, multiple: int) -> int:
    """Round channels up to a multiple; the last bits of a float product do not count."""
    return multiple * max(1, ceil(round(channels / multiple, 6)))


def channel_counts(groups: int, width: float, bottleneck: int, stem: int) -> list[int]:
    """Return the channels of the stem and of the stages.

    Groups must divide the m = out / bottleneck channels inside a unit and the out - in channels
    of a strided body. Where the paper's numbers times ``width`` do not allow that, they are
    rounded up, as in tensorpack's ShuffleNet. At the sizes of the official code this is its table,
    but for the stem at 1.5x, which it leaves at 24.
    """
    stages = [STAGE2_CHANNELS[groups] * 2**i * width for i in range(len(STAGES))]
    return [buildable(stem * width, groups), *(buildable(c, bottleneck * groups) for c in stages)]


class ShuffleNetLayout:
    """Places the stem, the stages' units and the exits of one architecture."""

    def __init__(self, chosen: Mapping[str, Option], image: Image, classes: int) -> None:
        self.chosen, self.classes = cast(Mapping[str, Any], chosen), classes
        self.chain = Chain(image, classes)

    def graph(self) -> BlockGraph:
        """Return the blocks of the whole network."""
        names = ("groups", "width", "bottleneck", "channels")
        first, *stages = channel_counts(*(self.chosen[name] for name in names))
        deep = self.chosen["stem"] == "imagenet"
        stem = ConvNorm(self.chain.image[0], first, 3, 2 if deep else 1, pool=deep)
        self.chain.place("stem", stem, first)
        for stage, out in zip(STAGES, stages, strict=True):
            self._stage(stage, out)
        # The last classifier is the official one, whose linear layer has no bias.
        self.chain.leave(Head(self.chain.channels, (), self.classes, bias=False))
        return self.chain.graph()

    def _stage(self, stage: int, out: int) -> None:
        scope, chain = f"stage{stage}.", self.chain
        units, kernel = self.chosen[scope + "units"], self.chosen[scope + "kernel"]
        exits = early_exits(self.chosen[scope + "exits"], units, stage == STAGES[-1])
        for position in range(1, units + 1):
            opens = position == 1
            op = self._op(first=opens and stage == STAGES[0])
            channels, stride = (chain.channels, out), 2 if opens else 1
            spec = unit(op, channels, kernel, stride, self.chosen["bottleneck"])
            chain.place(f"{scope}unit{position}", spec, out)
            if position in exits:
                chain.leave(head(self.chosen["head"], out, self.classes))

    def _op(self, first: bool) -> str:
        """Return the operation of a unit.

        The first 1x1 convolution of all is not grouped, since the stem gives so few channels
        (section 3.3); a shuffle after it would only rename channels.
        """
        groups = self.chosen["groups"]
        if first:
            return f"grouped1-{groups}"
        return f"shuffle{groups}" if self.chosen["shuffle"] else f"grouped{groups}"


# The decisions -----------------------------------------------------------------------------------


def network_decisions() -> list[Decision]:
    """Return the decisions that hold for the whole network."""
    return [
        Decision("stem", ("imagenet", "small"), "first 3x3 convolution: /2 and max-pool, or alone"),
        Decision("groups", (3, 1, 2, 4, 8), "of the 1x1 convolutions"),
        Decision(
            "width", (1.0, 0.5, 0.25, 0.75), "of all layers", None, Domain("float", 0.05, 8), True
        ),
        Decision("shuffle", (True, False), "whether units shuffle channels between groups"),
        Decision("channels", (24, 16), "of the stem, before width", None, Domain("int", 1, 48)),
        Decision("bottleneck", (4, 2), "channels of a unit over those of its 3x3 convolution"),
    ]


def stage_decisions(stage: int, units: tuple[int, ...]) -> list[Decision]:
    """Return the choices that the units of a stage share."""
    scope = f"stage{stage}."
    return [
        Decision(scope + "units", units, "the first one strides", None, Domain("int", 1, 200)),
        Decision(scope + "kernel", (3, 5), "of the depthwise convolutions"),
    ]


# The space ---------------------------------------------------------------------------------------


class ShuffleNet(SearchSpace):
    """ShuffleNet's family: groups, width and shuffle for all, depth, kernel and exits per stage."""

    name = "shufflenet"
    version = 1
    reference: ClassVar[str] = "Zhang et al., CVPR 2018"

    def __init__(self) -> None:
        depths = ((4, 2, 3), (8, 4, 6), (4, 2, 3))
        scopes = [f"stage{stage}." for stage in STAGES]
        decisions = network_decisions()
        for stage, units in zip(STAGES, depths, strict=True):
            decisions += stage_decisions(stage, units)
        self.decisions = (*decisions, *exit_decisions(scopes, [None] * len(scopes)))

    @cached_property
    def published(self) -> Mapping[str, Architecture]:
        """The networks of the paper's tables and of the official code."""
        return _published()

    def canonical(self, choices: dict[str, Option]) -> dict[str, Option]:
        """Set ``shuffle`` back where there is one group; exits as ``canonical_exits`` says."""
        if choices["groups"] == 1:
            choices["shuffle"] = True
        units = {f"stage{s}.": cast(int, choices[f"stage{s}.units"]) for s in STAGES}
        canonical_exits(choices, units)
        return choices

    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        """Return the blocks; images of any size and number of channels are taken."""
        return ShuffleNetLayout(architecture.decisions(), image, classes).graph()


SHUFFLENET = ShuffleNet()


# The published networks ---------------------------------------------------------------------------


def shufflenet(
    groups: int = 3,
    width: float = 1.0,
    shuffle: bool = True,
    *,
    units: int | Sequence[int] = (4, 8, 4),
    bottleneck: int = 4,
    kernel: int = 3,
    channels: int | None = None,
    stem: str = "imagenet",
    exits: str | Sequence[str] = "none",
    head: str = "pool",
) -> Architecture:
    """Return the ShuffleNet of a number of groups and a width, "ShuffleNet s x" in the paper.

    ``units`` and ``exits`` are one for all stages or one for each; the other options are the
    decisions of that name. ``channels`` None is 24, times ``width``; where the official code leaves
    the stem at 24 itself (1.5x with 3 or 8 groups), so does this. Raises SpaceError for options
    that no network has.
    """
    if channels is None:
        channels = 16 if width == 1.5 and groups in (3, 8) else 24
    choices: dict[str, Option] = {
        "stem": stem,
        "groups": groups,
        "width": width,
        "shuffle": shuffle,
        "channels": channels,
        "bottleneck": bottleneck,
        "head": head,
    }
    depths = for_each("units", units, len(STAGES), "stage")
    places = for_each("exits", exits, len(STAGES), "stage")
    for stage, depth, place in zip(STAGES, depths, places, strict=True):
        scope = f"stage{stage}."
        choices |= {scope + "units": depth, scope + "kernel": kernel, scope + "exits": place}
    return SHUFFLENET.point(choices)


def _published() -> Mapping[str, Architecture]:
    """Return all groups at up to 1x (table 2), wider ones, and those without shuffle (table 3)."""
    sizes = [(groups, width) for groups in STAGE2_CHANNELS for width in (1.0, 0.5, 0.25)]
    sizes += [(groups, width) for groups in (3, 8) for width in (1.5, 2.0)]
    networks = {f"shufflenet-g{g}-{width}x": shufflenet(g, width) for g, width in sizes}
    for groups in (3, 8):
        for width in (1.0, 0.5, 0.25):
            name = f"shufflenet-g{groups}-{width}x-no-shuffle"
            networks[name] = shufflenet(groups, width, shuffle=False)
    return networks
