"""RANet's block and network: sub-networks from coarse to fine resolution (CVPR 2020).

Every sub-network starts from a base feature of its own resolution and ends at the coarsest. Its
first blocks take in, layer by layer, the states of the sub-network before (fusion blocks); the
others grow from their own state alone (dense blocks), and after them exits may stand. Any choice
of the ``ranet`` space's decisions is laid out here, in the order in which the official code runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Any, cast

from search_spaces.architecture import Option
from search_spaces.blocks import IMAGE, BlockGraph, BlockSpec, Image, Node
from search_spaces.conv_norm import ConvNorm
from search_spaces.conv_op import ConvOp, conv_op
from search_spaces.exits import exit_layers, head
from search_spaces.msd_network import bottleneck_factors, stem

if TYPE_CHECKING:
    from torch import nn

# The block ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fusion(BlockSpec):
    """New features beside a state: of a coarser state, by ``up``, and of the state, by ``own``.

    A layer of a dense block has no ``up``; the end of a fusion block has no ``own``. Everything is
    resized bilinearly to what ``own`` gives out, so that a striding layer makes the state smaller.
    """

    own: ConvOp | None
    up: ConvOp | ConvNorm | None

    def module(self) -> "nn.Module":
        """Build the block: the state [batch, c, h, w] and, with ``up``, the coarser one."""
        return self.assembled(lambda part: part.module())

    def assembled(self, build: "Callable[[BlockSpec], nn.Module]") -> "nn.Module":
        """Build it of operations that `build` makes."""
        from search_spaces.layers import FusedLayer

        return FusedLayer(
            build(self.own) if self.own else None,
            build(self.up) if self.up else None,
            strides=self.own is not None and self.own.stride > 1,
        )


# The network -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SubNetwork:
    """One sub-network: ``number`` from 1, the coarsest; ``scale`` 1 is the coarsest resolution.

    ``before`` are the numbers of blocks of the sub-networks before it.
    """

    number: int
    scale: int
    blocks: int
    before: tuple[int, ...]

    @property
    def fusion_blocks(self) -> int:
        """Number of blocks that have a counterpart in the sub-network before."""
        return self.before[-1] if self.before else 0

    @property
    def dense_blocks(self) -> int:
        """Number of blocks that have none; exits may follow these."""
        return max(0, self.blocks - self.fusion_blocks)

    def goes_down(self, block: int) -> bool:
        """Tell whether the resolution halves at the end of a block (from 1).

        It does where the last ``scale - 1`` of the earlier sub-networks end. A sub-network at scale
        1 that is not the first goes down wherever an earlier one ends, as the official slice does.
        """
        return block in self.before[-(self.scale - 1) :]

    def has_transition(self, block: int) -> bool:
        """Tell whether a 1x1 convolution narrows the state after a block: ``scale - 1`` times."""
        return any(block == i * self.blocks // self.scale for i in range(1, self.scale))


def subnetworks(chosen: Mapping[str, Option]) -> list[SubNetwork]:
    """Return the sub-networks of an architecture's decisions, the coarsest first."""
    scales = [int(scale) for scale in str(chosen["scale_list"]).split("-")]
    first, more = cast(int, chosen["blocks"]), cast(int, chosen["block_step"])
    blocks = tuple(first + more * i for i in range(len(scales)))
    return [SubNetwork(i + 1, scale, blocks[i], blocks[:i]) for i, scale in enumerate(scales)]


def exit_blocks(setting: str, dense_blocks: int) -> frozenset[int]:
    """Return the dense blocks, counted from 1 within their sub-network, that an exit follows."""
    if not dense_blocks:
        return frozenset()
    if setting == "all":
        return frozenset(range(1, dense_blocks + 1))
    return exit_layers(setting, dense_blocks)


@dataclass(frozen=True, slots=True)
class Features:
    """The output of a node: its name and number of channels."""

    name: str
    channels: int


class ResolutionAdaptiveLayout:
    """Places the blocks of one architecture, sub-network by sub-network, in the official order.

    Blocks that no exit reads are left out; base features all stay, since the official network
    computes them before its first exit.
    """

    def __init__(self, chosen: Mapping[str, Option], image: Image, classes: int) -> None:
        self.chosen, self.image, self.classes = cast(Mapping[str, Any], chosen), image, classes
        self.subnetworks = subnetworks(chosen)
        self.factors = [self.chosen[f"growth_factor.{s.number}"] for s in self.subnetworks]
        self.bottlenecks = bottleneck_factors(self.chosen["bottleneck_factors"], self.factors)
        self.fused_share = self.chosen["compress_factor"] if self.chosen["fusion"] == "on" else 0
        self.nodes: list[Node] = []
        self.exits: list[str] = []

    def graph(self) -> BlockGraph:
        """Return the blocks of the whole network."""
        bases = self._base_features()
        lower: list[list[Features]] = []
        for sub in self.subnetworks:
            lower = self._subnetwork(sub, bases[sub.number], lower)
        whole = BlockGraph(self.image, self.classes, tuple(self.nodes), tuple(self.exits))
        read = {node.name for stage in whole.stages() for node in stage.nodes}
        read |= {base.name for base in bases.values()}
        kept = tuple(node for node in self.nodes if node.name in read)
        return BlockGraph(self.image, self.classes, kept, tuple(self.exits))

    def _place(self, name: str, spec: BlockSpec, channels: int, *inputs: Features) -> Features:
        self.nodes.append(Node(name, spec, tuple(features.name for features in inputs)))
        return Features(name, channels)

    def _base_features(self) -> dict[int, Features]:
        """Place the cascade from the finest sub-network's base feature to the coarsest one's."""
        bases: dict[int, Features] = {}
        finer, scale = Features(IMAGE, self.image[0]), None
        for sub in reversed(self.subnetworks):
            out = self.chosen["channels"] * self.factors[sub.number - 1]
            stride = 1 if scale == sub.scale else 2
            spec = ConvNorm(finer.channels, out, 3, stride)
            if scale is None:
                spec = stem(self.chosen["stem"], finer.channels, out)
            finer = bases[sub.number] = self._place(f"base{sub.number}", spec, out, finer)
            scale = sub.scale
        return bases

    def _subnetwork(
        self, sub: SubNetwork, state: Features, lower: list[list[Features]]
    ) -> list[list[Features]]:
        """Place a sub-network; return the states before and after each layer, block by block."""
        exits = self._exit_blocks(sub)
        blocks = []
        for block in range(1, sub.blocks + 1):
            name = f"sub{sub.number}.block{block}"
            fused = lower[block - 1] if block <= sub.fusion_blocks and self.fused_share else []
            states = self._layers(name, sub, block, state, fused)
            state = self._end(name, sub, block, states[-1], fused)
            blocks.append(states)
            if block - sub.fusion_blocks in exits:
                self._exit(state)
        return blocks

    def _layers(
        self, name: str, sub: SubNetwork, block: int, state: Features, fused: list[Features]
    ) -> list[Features]:
        """Place the layers of a block; return its states, the first of them given."""
        growth = self.chosen["growth_rate"] * self.factors[sub.number - 1]
        even = self.chosen["step_mode"] == "even"
        layers = self.chosen["step"] if even else self.chosen["step_lg"] * block
        # One channel at least comes from the own state: its unit says what size the layer gives.
        raised = min(floor(growth * self.fused_share), growth - 1) if fused else 0
        states = [state]
        for layer in range(1, layers + 1):
            given, inputs, up = states[-1], [states[-1]], None
            stride = 2 if layer == layers and sub.goes_down(block) else 1
            if raised:
                inputs.append(fused[layer - 1])
                up = self._unit(sub.number - 1, fused[layer - 1].channels, raised, 1)
            own = self._unit(sub.number, given.channels, growth - raised, stride)
            out = given.channels + growth
            states.append(self._place(f"{name}.layer{layer}", Fusion(own, up), out, *inputs))
        return states

    def _unit(self, number: int, given: int, out: int, stride: int) -> ConvOp:
        return conv_op("bottleneck", (given, out), 3, stride, self.bottlenecks[number - 1], 0.0)

    def _end(
        self, name: str, sub: SubNetwork, block: int, state: Features, fused: list[Features]
    ) -> Features:
        """Place what follows a block's layers: the lower block's last state, a transition."""
        raised = floor(state.channels * self.fused_share) if fused else 0
        if raised:
            up = ConvNorm(fused[-1].channels, raised, 1)
            out = state.channels + raised
            state = self._place(f"{name}.fusion", Fusion(None, up), out, state, fused[-1])
        if sub.has_transition(block):
            out = max(1, floor(self.chosen["reduction"] * state.channels))
            spec = ConvNorm(state.channels, out, 1)
            state = self._place(f"{name}.transition", spec, out, state)
        return state

    def _exit_blocks(self, sub: SubNetwork) -> frozenset[int]:
        """Return the dense blocks that an exit follows; the network's last is one of them."""
        exits = exit_blocks(self.chosen[f"exits.{sub.number}"], sub.dense_blocks)
        last = max(other.number for other in self.subnetworks if other.dense_blocks)
        return exits | {sub.dense_blocks} if sub.number == last else exits

    def _exit(self, state: Features) -> None:
        spec = head(self.chosen["head"], state.channels, self.classes)
        name = f"exit{len(self.exits) + 1}"
        self.exits.append(self._place(name, spec, self.classes, state).name)
