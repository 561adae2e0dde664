"""What a block has to do, in numbers: what its time is guessed from before it is measured."""

from dataclasses import dataclass
from functools import lru_cache

from search_spaces.blocks import IMAGE, BlockGraph, BlockSpec, signature
from search_spaces.operators import Operator, Trace, trace_block

Shape = tuple[int, ...]

CONVOLUTIONS = ("dense", "pointwise", "grouped", "depthwise", "1xn", "linear")
"""Kinds of operators with multiply-accumulates, in the order of ``Work.macs``."""

BYTES_PER_VALUE = 4


@dataclass(frozen=True, slots=True)
class BlockKey:
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

    ``moved_mb``: inputs, outputs and weights of all operators. ``weights_mb``: parameters.
    ``widest_mb``: the most that one operator reads and writes, without weights. ``family``: the
    kinds of the operators in order.
    """

    macs: tuple[float, ...]
    moved_mb: float
    weights_mb: float
    widest_mb: float
    operators: int
    family: str


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
        moved_mb=sum(passed) + weights,
        weights_mb=weights,
        widest_mb=max(passed, default=0.0),
        operators=len(found),
        family="-".join(convolution(each) or each.kind for each in found),
    )


def blocks(graph: BlockGraph) -> tuple[tuple[tuple[str, BlockKey], ...], ...]:
    """Return of each stage of a network the blocks, named, in the order in which they run."""
    shapes: dict[str, Shape] = {IMAGE: graph.image}
    stages = []
    for stage in graph.stages():
        found = []
        for node in stage.nodes:
            key = BlockKey(node.spec, tuple([shapes[name] for name in node.inputs]))
            shapes[node.name] = traced(key).output
            found.append((node.name, key))
        stages.append(tuple(found))
    return tuple(stages)


def traced(key: BlockKey) -> Trace:
    """Return the trace of a block."""
    return trace_block(key.spec, key.shapes)
