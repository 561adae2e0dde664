"""Accuracy against cost as curves, and two curves compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
GRID = 200


class Point(NamedTuple):
    """A choice: its cost, how good it seemed on the images it was chosen on, how good it is."""

    cost: float
    chosen_by: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class Curve:
    """The accuracy to be had within a cost, by choices of rising cost.

    stepped: nothing lies between two choices (exits); otherwise budgets do, joined by a line.
    """

    cost: Floats
    accuracy: Floats
    stepped: bool

    @classmethod
    def through(cls, points: Sequence[Point], stepped: bool) -> "Curve":
        """The curve of points in any order: those that seemed better than all cheaper ones.

        Which are left out is decided on the images of `chosen_by`: decided on those of `accuracy`,
        the best of several would look better than it is.
        """
        kept: list[Point] = []
        for point in sorted(points, key=lambda each: (each.cost, -each.chosen_by)):
            if not kept or point.chosen_by > kept[-1].chosen_by:
                kept.append(point)
        # Who may spend as much as the dearest choice costs stays with the best one.
        kept.append(kept[-1]._replace(cost=max(each.cost for each in points)))
        cost, _, accuracy = np.array(kept, dtype=np.float64).T
        return cls(cost, accuracy, stepped)

    @property
    def best(self) -> Floats:
        """The highest accuracy up to each point; choices are not always as good as they seemed."""
        return np.maximum.accumulate(self.accuracy)

    def at(self, cost: Floats) -> Floats:
        """The accuracy within each cost; the costs must not lie below the curve's first."""
        if self.stepped:
            return self.accuracy[np.searchsorted(self.cost, cost, side="right") - 1]
        return np.interp(cost, self.cost, self.accuracy)

    def cost_of(self, accuracy: Floats) -> Floats:
        """The least cost that reaches each accuracy, none above the curve's best."""
        after = np.searchsorted(self.best, accuracy, side="left")
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
    where no accuracy is common to both. ratio_at_best: the cost at which the other is at its best,
    over the least of this one that is as good; NaN where this one never is.
    """

    gap: float
    ratio: float
    ratio_at_best: float
    costs: tuple[float, float]
    accuracies: tuple[float, float]


def compare(curve: Curve, other: Curve) -> Comparison:
    """Compare two curves over all costs, and over all accuracies, that both have."""
    costs = max(curve.cost[0], other.cost[0]), min(curve.cost[-1], other.cost[-1])
    accuracies = (
        max(curve.best[0], other.best[0]),
        min(curve.best[-1], other.best[-1]),
    )
    gap = ratio = float("nan")
    if costs[0] < costs[1]:
        grid = np.geomspace(*costs, GRID).clip(*costs)
        gap = float(np.mean(curve.at(grid) - other.at(grid)))
    if accuracies[0] < accuracies[1]:
        grid = np.linspace(*accuracies, GRID)
        ratio = float(np.exp(np.mean(np.log(other.cost_of(grid) / curve.cost_of(grid)))))
    best = other.best[-1:]
    reached = best[0] <= curve.best[-1]
    at_best = float(other.cost_of(best)[0] / curve.cost_of(best)[0]) if reached else float("nan")
    return Comparison(gap, ratio, at_best, (float(costs[0]), float(costs[1])), _floats(accuracies))


def _floats(pair: tuple[float, float]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
