"""What a block has to do, in numbers: what its time is guessed from before it is measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from search_spaces.blocks import IMAGE, BlockGraph, BlockSpec, signature
from search_spaces.operators import Operator, Trace, trace_block

Shape = tuple[int, ...]

CONVOLUTIONS = ("dense", "pointwise", "grouped", "depthwise", "1xn", "linear")
"""Kinds of operators with multiply-accumulates, in the order of ``Work.macs``."""

BYTES_PER_VALUE = 4
VECTOR = 8
"""Values of float32 that a vector register of today's processors holds at least."""


class BlockKey(NamedTuple):
    """A block on inputs of given shapes: what a table of blocks has one row for."""

    spec: BlockSpec
    shapes: tuple[Shape, ...]

    @property
    def text(self) -> str:
        """The same text for the same work in every process."""
        return f"{signature(self.spec)} on {'+'.join('x'.join(map(str, s)) for s in self.shapes)}"


@dataclass(frozen=True, slots=True)
class Work:
    """Millions of MACs by kind (``CONVOLUTIONS``), megabytes, and number of operators.

    ``padded_macs``: MACs of ungrouped convolutions with channels filled up to whole vectors.
    ``moved_mb``: inputs, outputs and weights of all operators. ``weights_mb``: parameters.
    ``widest_mb``: the most that one operator reads and writes, without weights. ``shape``: what
    tells kernels apart, see ``_shape``.
    """

    macs: tuple[float, ...]
    padded_macs: float
    moved_mb: float
    weights_mb: float
    widest_mb: float
    operators: int
    shape: tuple[float, ...]


def convolution(operator: Operator) -> str | None:
    """Return which of ``CONVOLUTIONS`` an operator is, None for one without MACs."""
    if operator.kind in ("linear", "depthwise"):
        return operator.kind
    if operator.kind != "conv":
        return None
    if operator.groups > 1:
        return "grouped"
    if operator.kernel == (1, 1):
        return "pointwise"
    return "1xn" if 1 in operator.kernel else "dense"


@lru_cache(maxsize=200_000)
def of_block(key: BlockKey) -> Work:
    """Return the work of a block, from its traced operators."""
    found = trace_block(key.spec, key.shapes).operators
    macs = dict.fromkeys(CONVOLUTIONS, 0.0)
    for each in found:
        if kind := convolution(each):
            macs[kind] += each.macs / 1e6
    passed = [(each.elements_in + each.elements_out) * BYTES_PER_VALUE / 1e6 for each in found]
    weights = sum(each.parameters for each in found) * BYTES_PER_VALUE / 1e6
    return Work(
        macs=tuple(macs.values()),
        padded_macs=sum(map(_padded, found)),
        moved_mb=sum(passed) + weights,
        weights_mb=weights,
        widest_mb=max(passed, default=0.0),
        operators=len(found),
        shape=_shape(found, len(key.shapes)),
    )


def _shape(found: Sequence[Operator], inputs: int) -> tuple[float, ...]:
    """Numbers of convolutions, groups and inputs, size, channels and how they fill vectors."""
    convs = [each for each in found if each.macs]
    first, last = (convs[0], convs[-1]) if convs else (found[0], found[-1])
    grouped = [each for each in convs if convolution(each) == "grouped"]
    ends = (first.in_channels, first.out_channels, last.out_channels)
    return (
        float(len(convs)),
        float(sum(each.groups for each in grouped)),
        float(inputs),
        float(first.input_size[0]),
        *(float(channels) for channels in ends),
        *(float(channels % VECTOR == 0) for channels in ends),
        float(sum(each.kind == "depthwise" and each.in_channels % VECTOR > 0 for each in convs)),
        float(sum((each.in_channels // each.groups) % VECTOR > 0 for each in grouped)),
    )


def _padded(operator: Operator) -> float:
    if operator.kind != "conv" or operator.groups > 1:
        return 0.0
    into, out = (-(-c // VECTOR) * VECTOR for c in (operator.in_channels, operator.out_channels))
    return operator.macs / operator.in_channels / operator.out_channels * into * out / 1e6


def blocks(graph: BlockGraph) -> tuple[tuple[tuple[str, BlockKey], ...], ...]:
    """Return of each stage of a network the blocks, named, in the order in which they run."""
    shapes: dict[str, Shape] = {IMAGE: graph.image}
    stages = []
    for nodes in graph.lazy_nodes():
        found = []
        for node in nodes:
            key = BlockKey(node.spec, tuple([shapes[name] for name in node.inputs]))
            shapes[node.name] = traced(key).output
            found.append((node.name, key))
        stages.append(tuple(found))
    return tuple(stages)


def all_blocks(graphs: Iterable[BlockGraph]) -> list[BlockKey]:
    """Return the blocks of several networks, each once."""
    keys = (key for graph in graphs for stage in blocks(graph) for _, key in stage)
    return list(dict.fromkeys(keys))


def traced(key: BlockKey) -> Trace:
    """Return the trace of a block."""
    return trace_block(key.spec, key.shapes)
