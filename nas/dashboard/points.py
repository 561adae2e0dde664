"""The exit policies of a network that any front or any reward may choose."""

from collections.abc import Sequence

import numpy as np

from nas.exits import PolicyScore, policy_scores
from nas.measurement import Measurement

Point = list[float | int | None]
"""Row of `policy_scores`, accuracy, expected, p95 and worst milliseconds, expected MACs, and the
interval of the expected milliseconds (None where it is empty)."""


def of(
    measurement: Measurement,
    low_ms: Sequence[float] | None = None,
    high_ms: Sequence[float] | None = None,
) -> list[Point]:
    """The points of a network that are best in accuracy and at least one of the costs.

    Rewards never fall with accuracy and never rise with latency, so that no reward prefers a
    point that is left out. low_ms, high_ms: interval of the latency of each exit, where known.
    """
    scores = policy_scores(measurement)
    costs = ("latency_ms", "p95_ms", "worst_ms", "macs")
    kept: set[int] = set()
    for cost in costs:
        kept.update(_undominated(scores, cost))
    return [_point(row, scores[row], low_ms, high_ms) for row in sorted(kept)]


def _undominated(scores: Sequence[PolicyScore], cost: str) -> list[int]:
    """The rows that no other beats in accuracy and `cost`; of equal ones the first."""
    accuracy = np.array([score.accuracy for score in scores])
    spent = np.array([getattr(score, cost) for score in scores])
    kept: list[int] = []
    best = -1.0
    for row in np.lexsort((np.arange(len(scores)), -accuracy, spent)):
        if accuracy[row] > best:
            best = accuracy[row]
            kept.append(int(row))
    return kept


def _point(
    row: int, score: PolicyScore, low_ms: Sequence[float] | None, high_ms: Sequence[float] | None
) -> Point:
    interval = [
        None if bound is None else _short(float(np.dot(score.shares, bound)))
        for bound in (low_ms, high_ms)
    ]
    # Accuracy and latency in full: the front must be the same as that of the command line.
    return [
        row,
        score.accuracy,
        score.latency_ms,
        _short(score.p95_ms),
        _short(score.worst_ms),
        round(score.macs),
        *interval,
    ]


def _short(value: float) -> float:
    return float(f"{value:.6g}")
