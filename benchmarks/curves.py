"""Accuracy against cost as curves, and two curves compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
GRID = 200


@dataclass(frozen=True, eq=False)
class Curve:
    """The best accuracy to be had within a cost: points by rising cost, running maximum.

    stepped: nothing lies between two points (exits); otherwise budgets do, joined by a line.
    """

    cost: Floats
    accuracy: Floats
    stepped: bool

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]], stepped: bool) -> "Curve":
        """The curve of (cost, accuracy) points in any order; of equal costs the best counts."""
        costs, inverse = np.unique([cost for cost, _ in points], return_inverse=True)
        best = np.full(len(costs), -np.inf)
        np.maximum.at(best, inverse, [accuracy for _, accuracy in points])
        return cls(costs, np.maximum.accumulate(best), stepped)

    def at(self, cost: Floats) -> Floats:
        """The accuracy within each cost; the costs must not lie below the curve's first."""
        if self.stepped:
            return self.accuracy[np.searchsorted(self.cost, cost, side="right") - 1]
        return np.interp(cost, self.cost, self.accuracy)

    def cost_of(self, accuracy: Floats) -> Floats:
        """The least cost that reaches each accuracy, none above the curve's last."""
        after = np.searchsorted(self.accuracy, accuracy, side="left")
        if self.stepped:
            return self.cost[after]
        before = np.maximum(after - 1, 0)
        rise = self.accuracy[after] - self.accuracy[before]
        part = np.divide(
            accuracy - self.accuracy[before], rise, out=np.ones(len(accuracy)), where=rise > 0
        )
        return self.cost[before] + part * (self.cost[after] - self.cost[before])


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one curve stands to another where both are defined.

    gap: mean difference of accuracy at equal cost, over the logarithm of cost. ratio: geometric
    mean of the other's cost over this one's at equal accuracy; above 1, this one is cheaper. NaN
    where no accuracy is common to both.
    """

    gap: float
    ratio: float
    costs: tuple[float, float]
    accuracies: tuple[float, float]


def compare(curve: Curve, other: Curve) -> Comparison:
    """Compare two curves over all costs, and over all accuracies, that both have."""
    costs = max(curve.cost[0], other.cost[0]), min(curve.cost[-1], other.cost[-1])
    accuracies = (
        max(curve.accuracy[0], other.accuracy[0]),
        min(curve.accuracy[-1], other.accuracy[-1]),
    )
    gap = ratio = float("nan")
    if costs[0] < costs[1]:
        grid = np.geomspace(*costs, GRID).clip(*costs)
        gap = float(np.mean(curve.at(grid) - other.at(grid)))
    if accuracies[0] < accuracies[1]:
        grid = np.linspace(*accuracies, GRID)
        ratio = float(np.exp(np.mean(np.log(other.cost_of(grid) / curve.cost_of(grid)))))
    return Comparison(gap, ratio, (float(costs[0]), float(costs[1])), _floats(accuracies))


def _floats(pair: tuple[float, float]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
