"""What a block has to do, in numbers: what its time is guessed from before it is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from latency.blocks import BlockKey, traced
from search_spaces.operators import Operator

CONVOLUTIONS = ("dense", "pointwise", "grouped", "depthwise", "1xn", "linear")
"""Kinds of operators with multiply-accumulates, in the order of ``Work.macs``."""

BYTES_PER_VALUE = 4
VECTOR = 8
"""Values of float32 that a vector register of today's processors holds at least."""


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
    found = traced(key).operators
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
