"""How far predictions are from the truth, and two measurements of the same networks apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.latency.predictors import Said
from latency.model.errors import Errors, compare

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """Of one cell: measured milliseconds and noises [networks], and the canary's floor."""

    ms: Floats
    noises: Floats
    canary_ms: float


@dataclass(frozen=True, slots=True)
class Score:
    """``errors`` of predictions; ``intervals``: whether they have any, else coverage is void."""

    errors: Errors
    intervals: bool


@dataclass(frozen=True, slots=True)
class Apart:
    """Two measurements of networks: their common shift, and what is left of each, relative."""

    shift: float
    median: float
    p90: float


def score(cells: Sequence[tuple[Said, Truth]], same_speed: bool = False) -> Score:
    """Score a predictor over the networks of several cells together.

    same_speed: what was learnt at another speed of the device is brought to that of the truth by
    the canary.
    """
    factors = [
        truth.canary_ms / said.canary_ms if same_speed and said.canary_ms else 1.0
        for said, truth in cells
    ]

    def joined(arrays: Sequence[Floats]) -> Floats:
        return np.concatenate([f * each for f, each in zip(factors, arrays, strict=True)])

    ms = joined([said.ms for said, _ in cells])
    low, high = (joined([_end(said, end) for said, _ in cells]) for end in ("low", "high"))
    measured, noises = (
        np.concatenate([getattr(truth, name) for _, truth in cells]) for name in ("ms", "noises")
    )
    intervals = all(said.low is not None for said, _ in cells)
    return Score(compare(ms, measured, noises, (low, high) if intervals else None), intervals)


def apart(cells: Sequence[tuple[Floats, Floats]]) -> Apart:
    """Compare two measurements; each cell's common shift, its median log ratio, is taken off."""
    ratios = [np.log(second / first) for first, second in cells]
    shifts = [float(np.median(each)) for each in ratios]
    left = np.abs(np.concatenate([each - s for each, s in zip(ratios, shifts, strict=True)]))
    shift = max(shifts, key=abs)
    return Apart(float(np.expm1(shift)), float(np.median(left)), float(np.quantile(left, 0.9)))


def _end(said: Said, end: str) -> Floats:
    found: Floats | None = getattr(said, end)
    return said.ms if found is None else found
