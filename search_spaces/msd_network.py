"""MSDNet's block and network: layers over several scales, exits on the coarsest (ICLR 2018).

A layer holds one state per scale; every scale grows by features from its own state and from the
next finer one. Exits read the coarsest scale at the ends of blocks. Any choice of the ``msd``
space's decisions is laid out here, in the order in which the official code runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from search_spaces.architecture import Option
from search_spaces.blocks import IMAGE, BlockGraph, BlockSpec, Image, Node, interned
from search_spaces.conv_norm import ConvNorm
from search_spaces.conv_op import ConvOp, conv_op
from search_spaces.exits import head

if TYPE_CHECKING:
    from torch import nn

# The block ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScaleLayer(BlockSpec):
    """One layer at one scale: ``normal`` reads the scale's own state, ``down`` the finer one's."""

    normal: ConvOp | None
    down: ConvOp | None
    skip: str

    def module(self) -> "nn.Module":
        """Build the layer: one state [batch, channels, h, w] per operation to the new state."""
        return self.assembled(lambda part: part.module())

    def assembled(self, build: "Callable[[BlockSpec], nn.Module]") -> "nn.Module":
        """Build it of operations that `build` makes."""
        from search_spaces.layers import MultiScaleLayer

        return MultiScaleLayer(
            build(self.normal) if self.normal else None,
            build(self.down) if self.down else None,
            self.skip,
        )


# The network -------------------------------------------------------------------------------------

LAYER_CHOICES = ("op", "kernel", "se", "skip", "width")


def first_scale(scheme: str, layer: int, layers: int, scales: int) -> int:
    """Return the finest scale (from 1) that a layer (from 1) of ``layers`` keeps.

    "max" and "min" are the official ``prune`` options (MSDNet section 4, network reduction): drop
    a scale after each ceil(layers/scales) layers, or only in the last layers. "none" drops
    nothing. "stride" is one path that moves to the next scale where "max" would drop one.
    """
    if scheme == "min":
        return max(1, scales - (layers - layer))
    return 1 if scheme == "none" else 1 + (layer - 1) // -(-layers // scales)


@interned
def stem(kind: str, in_channels: int, out_channels: int) -> ConvNorm:
    """Return the first block: "conv3", or "conv7-pool" (ImageNet), whose convolution has a bias."""
    if kind == "conv7-pool":
        return ConvNorm(in_channels, out_channels, 7, 2, bias=True, pool=True)
    return ConvNorm(in_channels, out_channels, 3)


_convolution = interned(ConvNorm)

Flow = tuple[int, int, int]
"""Of an operation in a layer: channels in, channels out, bottleneck factor of where it reads."""


@interned
def scale_layer(
    op: str, kernel: int, se: float, skip: str, own: Flow | None, finer: Flow | None
) -> ScaleLayer:
    """Return the layer at one scale that reads its own state, the finer one's, or both."""

    def operation(flow: Flow | None, stride: int) -> ConvOp | None:
        return conv_op(op, flow[:2], kernel, stride, flow[2], se) if flow else None

    return ScaleLayer(operation(own, 1), operation(finer, 2), skip if own else "none")


class MultiScaleLayout:
    """Places the blocks of one architecture, layer by layer, in the official order.

    A dense layer appends growth channels to its state. Layers that are not dense widen the state
    once a block, at its first layer, as in MnasNet: the block's layers are alike.
    """

    def __init__(self, chosen: Mapping[str, Option], image: Image, classes: int) -> None:
        self.chosen, self.image, self.classes = cast(Mapping[str, Any], chosen), image, classes
        self.scheme: str = self.chosen["scheme"]
        self.scales: int = self.chosen["scales"]
        self.factors = [self.chosen[f"growth_factor.{s}"] for s in range(1, self.scales + 1)]
        self.bottlenecks = bottleneck_factors(self.chosen["bottleneck_factors"], self.factors)
        self.blocks = range(1, self.chosen["blocks"] + 1)
        self.layers = sum(self.chosen[f"block{b}.layers"] for b in self.blocks)
        self.width: int = self.chosen["channels"]
        self.nodes: list[Node] = []
        self.exits: list[str] = []
        self.state: dict[int, str] = {}

    def graph(self) -> BlockGraph:
        """Return the blocks of the whole network."""
        self._stem()
        layer = count(1)
        everywhere = self._choice("")
        for block in self.blocks:
            shared = self._choice(f"block{block}.") or everywhere
            for position in range(1, self.chosen[f"block{block}.layers"] + 1):
                choice = shared or self._choice(f"block{block}.layer{position}.")
                self._layer(next(layer), choice, position == 1)
            if block == self.blocks[-1] or self.chosen[f"block{block}.exit"]:
                self._exit()
        return BlockGraph(self.image, self.classes, tuple(self.nodes), tuple(self.exits))

    def _choice(self, scope: str) -> dict[str, Any]:
        """Return what layers of a scope have; nothing where the space shares it elsewhere."""
        if scope + "op" not in self.chosen:
            return {}
        return {name: self.chosen[scope + name] for name in LAYER_CHOICES}

    def _place(self, name: str, spec: BlockSpec, *inputs: str) -> str:
        self.nodes.append(Node(name, spec, inputs))
        return name

    def _channels(self, scale: int) -> int:
        return self.width * cast(int, self.factors[scale - 1])

    def _stem(self) -> None:
        given, source = self.image[0], IMAGE
        for scale in range(1, 2 if self.scheme == "stride" else self.scales + 1):
            out = self._channels(scale)
            spec = (
                stem(self.chosen["stem"], given, out)
                if scale == 1
                else _convolution(given, out, 3, 2)
            )
            source = self.state[scale] = self._place(f"stem.scale{scale}", spec, source)
            given = out

    def _layer(self, layer: int, choice: dict[str, Any], opens_block: bool) -> None:
        first = first_scale(self.scheme, layer, self.layers, self.scales)
        last = first if self.scheme == "stride" else self.scales
        before = first_scale(self.scheme, layer - 1, self.layers, self.scales) if layer > 1 else 1
        old, self.state = self.state, {}
        grows = opens_block or choice["skip"] == "dense"
        growth = max(1, round(self.chosen["growth_rate"] * choice["width"])) if grows else 0
        for scale in range(first, last + 1):
            finer = scale - 1 if scale > first or first > before else 0
            spec, inputs = self._scale_layer(scale, finer, growth, choice, old)
            self.state[scale] = self._place(f"layer{layer}.scale{scale}", spec, *inputs)
        self.width += growth
        if self._is_followed_by_transition(layer, first > before):
            self._transition(layer)

    def _scale_layer(
        self, scale: int, finer: int, growth: int, choice: dict[str, Any], old: dict[int, str]
    ) -> tuple[ScaleLayer, list[str]]:
        factor: int = self.factors[scale - 1]
        dense = choice["skip"] == "dense" and scale in old
        out = (growth if dense else self.width + growth) * factor
        down_out = out if scale not in old else out // 2 if finer else 0
        own = self._flow(scale, out - down_out) if scale in old else None
        down = self._flow(finer, down_out) if down_out else None
        numbers = choice["op"], choice["kernel"], choice["se"], choice["skip"]
        inputs = [old[scale]] if own else []
        return scale_layer(*numbers, own, down), inputs + ([old[finer]] if down else [])

    def _flow(self, source: int, out: int) -> Flow:
        return self._channels(source), out, self.bottlenecks[source - 1]

    def _is_followed_by_transition(self, layer: int, dropped: bool) -> bool:
        if not self.chosen["compression"] or self.scheme == "none":
            return False
        thirds = (self.layers // 3, 2 * self.layers // 3)
        return layer in thirds if self.scheme == "min" else dropped

    def _transition(self, layer: int) -> None:
        compressed = max(1, int(self.chosen["compression"] * self.width))
        for scale, source in self.state.items():
            factor = self.factors[scale - 1]
            spec = _convolution(self._channels(scale), compressed * factor, 1)
            self.state[scale] = self._place(f"transition{layer}.scale{scale}", spec, source)
        self.width = compressed

    def _exit(self) -> None:
        coarsest = max(self.state)
        spec = head(self.chosen["head"], self._channels(coarsest), self.classes)
        name = f"exit{len(self.exits) + 1}"
        self.exits.append(self._place(name, spec, self.state[coarsest]))


def bottleneck_factors(setting: str, growth_factors: list[int]) -> list[int]:
    """Return the bottleneck factor of each scale: "growth", one for all ("2"), or "1-2-4"."""
    if setting == "growth":
        return growth_factors
    given = [int(factor) for factor in setting.split("-")]
    return given * len(growth_factors) if len(given) == 1 else given
