"""Densely Connected Convolutional Networks (Huang, Liu, van der Maaten, Weinberger, CVPR 2017).

Every layer appends ``growth`` channels to all that came before in its block. With DenseNet*, whose
growth doubles after each transition, and DenseNet-MC, with exits inside its blocks (both MSDNet,
ICLR 2018, sections 5.1 and 5.6). Images of any size are taken: a transition does not pool a map
that is one pixel high or wide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from search_spaces.architecture import Architecture, Condition, Decision, Domain, Option, whole
from search_spaces.blocks import BlockGraph, BlockSpec, Image
from search_spaces.builder_options import counts_of, for_each
from search_spaces.chain import Chain
from search_spaces.conv_norm import ConvNorm
from search_spaces.errors import SpaceError
from search_spaces.exits import Head, canonical_exits, early_exits, exit_decisions, head
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from torch import nn

_SEARCHED = 4  # blocks of a searched network
_BLOCKS, _LAYERS = 16, 400  # no network may have more

# The blocks --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FirstConv(BlockSpec):
    """The 3x3 convolution before the first block on CIFAR: the blocks bring their own BatchNorm."""

    in_channels: int
    out_channels: int

    def module(self) -> "nn.Module":
        """Build the block: [batch, in_channels, h, w] to [batch, out_channels, h, w]."""
        from search_spaces.unfilled import Conv2d

        return Conv2d(self.in_channels, self.out_channels, 3, padding=1, bias=False)


@dataclass(frozen=True, slots=True)
class DenseLayer(BlockSpec):
    """BN-ReLU-conv3x3 beside its own input; with ``hidden`` channels, a BN-ReLU-conv1x1 before."""

    in_channels: int
    growth: int
    hidden: int

    def module(self) -> "nn.Module":
        """Build the layer: [batch, in_channels, h, w] to [batch, in_channels + growth, h, w]."""
        from torch import nn

        from search_spaces.layers import Growing, norm_conv

        squeeze = norm_conv(self.in_channels, self.hidden, 1) if self.hidden else []
        given = self.hidden or self.in_channels
        return Growing(nn.Sequential(*squeeze, *norm_conv(given, self.growth, 3)))


@dataclass(frozen=True, slots=True)
class Transition(BlockSpec):
    """BN-ReLU-conv1x1 between two blocks, then a 2x2 average where ``pool``."""

    in_channels: int
    out_channels: int
    pool: bool

    def module(self) -> "nn.Module":
        """Build the block: [batch, in_channels, h, w] to [batch, out_channels, h/2, w/2]."""
        from torch import nn

        from search_spaces.layers import norm_conv

        convolved = norm_conv(self.in_channels, self.out_channels, 1)
        return nn.Sequential(*convolved, *([nn.AvgPool2d(2)] if self.pool else []))


# The network -------------------------------------------------------------------------------------


def dense_graph(chosen: Mapping[str, Option], image: Image, classes: int) -> BlockGraph:
    """Return the blocks of a network; every classifier begins with BN-ReLU, as a layer does."""
    choice, chain = cast(Mapping[str, Any], chosen), Chain(image, classes)
    side = _stem(chain, choice["stem"], choice["channels"])
    last = choice["blocks"]
    for block in range(1, last + 1):
        _dense_block(chain, choice, block)
        if block < last:
            compressed = max(1, int(choice["compression"] * chain.channels))
            spec = Transition(chain.channels, compressed, pool=side > 1)
            chain.place(f"transition{block}", spec, compressed)
            side = max(1, side // 2)
    chain.leave(Head(chain.channels, (), classes, norm=True))
    return chain.graph()


def _stem(chain: Chain, stem: str, channels: int) -> int:
    """Place the first convolution; return the shorter side of what it gives, in pixels."""
    given, side = chain.image[0], min(chain.image[1:])
    if stem == "cifar":
        chain.place("stem", FirstConv(given, channels), channels)
        return side
    chain.place("stem", ConvNorm(given, channels, 7, 2, pool=True), channels)
    return -(-side // 4)  # the convolution and the max-pool both halve, rounding up


def _dense_block(chain: Chain, choice: Mapping[str, Any], block: int) -> None:
    scope = f"block{block}."
    layers, growth = choice[scope + "layers"], choice[scope + "growth"]
    exits = early_exits(choice[scope + "exits"], layers, block == choice["blocks"])
    for layer in range(1, layers + 1):
        spec = DenseLayer(chain.channels, growth, choice[scope + "bottleneck"] * growth)
        chain.place(f"{scope}layer{layer}", spec, chain.channels + growth)
        if layer in exits:
            chain.leave(head(choice["head"], chain.channels, chain.classes, norm=True))


# The decisions -----------------------------------------------------------------------------------


def decisions_of(blocks: int) -> tuple[Decision, ...]:
    """Return the decisions of networks of at most ``blocks`` blocks."""
    scopes = [f"block{block}." for block in range(1, blocks + 1)]
    exist = [Condition("blocks", tuple(range(b, blocks + 1))) for b in range(1, blocks + 1)]
    conditions = [None, *exist[1:]]
    return (
        Decision("stem", ("cifar", "imagenet"), "first convolution: 3x3, or 7x7/2 and max-pool"),
        Decision("channels", (24, 16, 32), "of the first convolution", None, whole(), width=True),
        Decision("compression", (0.5, 0.75, 1.0), "of transitions", None, Domain("float", 0.01, 1)),
        Decision("blocks", (3, 2, 4), "each at its own resolution", None, whole(_BLOCKS)),
        *(
            decision
            for scope, condition in zip(scopes, conditions, strict=True)
            for decision in _block_decisions(scope, condition)
        ),
        *exit_decisions(scopes, conditions),
    )


def _block_decisions(scope: str, condition: Condition | None) -> list[Decision]:
    return [
        Decision(scope + "layers", (6, 4, 8), "layers", condition, whole(_LAYERS)),
        Decision(
            scope + "growth", (12, 8, 6), "channels a layer adds", condition, whole(), width=True
        ),
        Decision(
            scope + "bottleneck",
            (4, 2, 0),
            "channels of the 1x1 convolution before, times the growth; 0: no such convolution",
            condition,
            whole(64, low=0),
        ),
    ]


# The space ---------------------------------------------------------------------------------------


class Dense(SearchSpace):
    """DenseNet's family: each block has its own depth, growth, bottleneck and exits."""

    name = "densenet"
    version = 1
    reference: ClassVar[str] = "Huang et al., CVPR 2017; Huang et al., ICLR 2018"
    decisions = decisions_of(_SEARCHED)

    @cached_property
    def published(self) -> Mapping[str, Architecture]:
        """The DenseNets of the paper, and DenseNet* and DenseNet-MC of the MSDNet paper."""
        return _published()

    def decisions_for(self, choices: Mapping[str, Option]) -> tuple[Decision, ...]:
        """Return the searched decisions, and more where ``choices`` say more blocks."""
        blocks = choices.get("blocks")
        if type(blocks) is int and _SEARCHED < blocks <= _BLOCKS:
            return decisions_of(blocks)
        return self.decisions

    def canonical(self, choices: dict[str, Option]) -> dict[str, Option]:
        """Set ``compression``, exits and ``head`` back where they do nothing."""
        blocks = cast(int, choices["blocks"])
        if blocks == 1:
            choices["compression"] = 0.5
        scopes = [f"block{block}." for block in range(1, blocks + 1)]
        canonical_exits(choices, {scope: cast(int, choices[scope + "layers"]) for scope in scopes})
        return choices

    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        """Return the blocks; images of any size and number of channels are taken."""
        return dense_graph(architecture.decisions(), image, classes)


DENSENET = Dense()


# The published networks ---------------------------------------------------------------------------


def densenet(
    blocks: Sequence[int] = (6, 12, 24, 16),
    growth: int | Sequence[int] = 32,
    first: int = 64,
    bottleneck: int | None = 4,
    compression: float = 0.5,
    stem: str = "imagenet",
    exits: str | Sequence[str] = "none",
    head: str = "pool",
) -> Architecture:
    """Return the DenseNet of ``blocks`` layers per block; the defaults give DenseNet-121.

    ``growth``: channels a layer adds, one number or one per block. ``first``: channels of the first
    convolution. ``bottleneck``: width of the 1x1 convolutions in growths, None without them.
    ``compression``: share of channels that a transition keeps, 0.01 to 1. ``stem``:
    "imagenet" or "cifar". ``exits``, of all blocks or of each: "none", "end", "middle", "both" or
    the layers after which an early exit stands, "6-12"; ``head`` is theirs (``exits.HEADS``).
    Raises SpaceError for options that no network has.
    """
    depth = len(counts_of("blocks", blocks, _BLOCKS))
    growths, places = for_each("growth", growth, depth), for_each("exits", exits, depth)
    if bottleneck == 0:
        raise SpaceError("bottleneck cannot be 0: a whole number from 1, or None without")
    choices: dict[str, Option] = {
        "stem": stem,
        "channels": first,
        "compression": compression,
        "blocks": depth,
        "head": head,
    }
    for block, (layers, grown, place) in enumerate(zip(blocks, growths, places, strict=True)):
        scope = f"block{block + 1}."
        choices |= {
            scope + "layers": layers,
            scope + "growth": grown,
            scope + "bottleneck": 0 if bottleneck is None else bottleneck,
            scope + "exits": place,
        }
    return DENSENET.point(choices)


def _published() -> Mapping[str, Architecture]:
    """Return the networks of the papers.

    Names give, on CIFAR, the paper's depth L and growth k, "bc" where there are bottlenecks and
    compression; of DenseNet*, whose sizes are unpublished, layers per block and first growth; of
    DenseNet-MC, the growth that makes its published cost (1.3e8).
    """
    cifar = partial(densenet, stem="cifar")
    plain = partial(cifar, bottleneck=None, compression=1.0, first=16)
    networks = {
        "densenet-121": densenet(),
        "densenet-169": densenet((6, 12, 32, 32)),
        "densenet-201": densenet((6, 12, 48, 32)),
        "densenet-264": densenet((6, 12, 64, 48)),
        "densenet-161": densenet((6, 12, 36, 24), growth=48, first=96),
        "densenet-star-imagenet-8": densenet(growth=(8, 16, 32, 64), first=16),
    }
    for depth, growth in ((40, 12), (100, 12), (100, 24)):
        layers = (depth - 4) // 3
        networks[f"densenet-cifar-{depth}-{growth}"] = plain((layers,) * 3, growth)
    for depth, growth in ((40, 36), (40, 48), (40, 60), (100, 12), (190, 40), (250, 24)):
        layers = (depth - 4) // 6
        network = cifar((layers,) * 3, growth, first=2 * growth)
        networks[f"densenet-bc-cifar-{depth}-{growth}"] = network
    for layers in (8, 12, 14, 16):
        network = cifar((layers,) * 3, growth=(8, 16, 32), first=16)
        networks[f"densenet-star-cifar-{layers}-8"] = network
    mc = cifar((16,) * 3, growth=8, first=16, exits=("6-12",) * 3)
    return networks | {"densenet-mc-cifar-8": mc}
