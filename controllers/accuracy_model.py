"""What an architecture will be worth once trained, learnt from those that were.

Two models compete, judged by how well each foretells architectures that it has not seen: a
Gaussian process (closed form, good from the first ten trials) and an ensemble of extremely
randomised trees (Geurts et al. 2006), which copes with cliffs.
"""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from controllers.encoding import Features, joined
from controllers.gaussian_process import GaussianProcess, fitted
from controllers.kernel import Kernel

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

KERNEL_ROWS = 250
"""A kernel's numbers are fitted on at most so many trials, the process on `ROWS`."""
ROWS = 400
TREES = 30
TREES_FROM = 40
"""Trials from which on trees are tried: fewer make no tree worth its name."""
LEAF = 2


@dataclass(frozen=True, slots=True)
class Shape:
    """What is chosen once in a while: the kernel, and whether trees foretell better."""

    kernel: Kernel
    trees: bool


class AccuracyModel:
    """Means and standard deviations in the unit of the given values, cliffs flattened.

    Low values are taken for what a normal distribution would have at their rank (the half-rank
    warping of Google Vizier, arXiv 2408.11527, section 3): how bad the bad ones are must not drown
    the differences among the good ones.

    Args:
        features: of n architectures.
        values: float64 [n], higher is better.
        shape: of another model of the same space, or None to choose one for these data.
        anchor: the lowest value that is not low; None for the median.
    """

    def __init__(
        self,
        features: Features,
        values: np.ndarray,
        shape: Shape | None = None,
        anchor: float | None = None,
    ) -> None:
        self.kept = kept = _kept(values, ROWS)
        self._centre, self._scale = _span(features.measures)
        self.values = half_rank(values, anchor)
        self._mean = float(self.values.mean())
        self._deviation = float(self.values.std()) or 1.0
        rows, unit = self._scaled(features[kept]), self._unit(self.values[kept])
        self.shape = shape or _chosen(rows, unit)
        self._rows, self._units = rows, unit
        self._trees = _trees(rows, unit) if self.shape.trees else None
        self._process = GaussianProcess(rows, unit, self.shape.kernel)

    def at_kept(self) -> np.ndarray:
        """Means of those of the n architectures that were `kept`: their values without noise."""
        if self._trees is not None:
            unit, _ = _of_trees(self._trees, self._rows)
        else:
            unit = self._process.at_known()[: len(self.kept)]
        return np.asarray(unit * self._deviation + self._mean)

    def believing(self, features: Features) -> "AccuracyModel":
        """A model for which these architectures have shown what this one expects of them.

        Means stay, deviations nearby shrink (Ginsbourger et al. 2010, "kriging believer").
        """
        model = copy.copy(self)
        if self._trees is None:
            scaled = self._scaled(features)
            rows, (mean, _) = joined(self._rows, scaled), self._process.predict(scaled)
            units = np.concatenate([self._units, mean])
            model._process = GaussianProcess(rows, units, self.shape.kernel)
        return model

    def predict(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the values that training would show on average."""
        scaled = self._scaled(features)
        if self._trees is not None:
            mean, deviation = _of_trees(self._trees, scaled)
        else:
            mean, deviation = self._process.predict(scaled)
        return mean * self._deviation + self._mean, deviation * self._deviation

    def _unit(self, values: np.ndarray) -> np.ndarray:
        return (values - self._mean) / self._deviation

    def _scaled(self, features: Features) -> Features:
        measures = (features.measures - self._centre) / self._scale
        return Features(features.choices, features.decision, measures)


def half_rank(values: np.ndarray, anchor: float | None = None) -> np.ndarray:
    """Values from the anchor (the median) up as they are, lower ones by rank; order is kept."""
    middle = float(np.median(values)) if anchor is None else anchor
    upper = values[values >= middle]
    deviation = float(np.sqrt(np.mean((upper - middle) ** 2)))
    if deviation == 0:
        deviation = float(values.std()) or 1.0
    distinct, place = np.unique(values, return_inverse=True)
    below = int((distinct < middle).sum())
    # Quantiles below one half, evenly: the lowest value stands for the middle of its share.
    low = middle + deviation * ndtri((np.arange(below) + 0.5) / (2 * max(below, 1)))
    return np.asarray(np.concatenate([low, distinct[below:]])[place])


def _chosen(features: Features, values: np.ndarray) -> Shape:
    """The shape that foretells left-out values best."""
    kept = _kept(values, KERNEL_ROWS)
    rows, unit = features[kept], values[kept]
    kernel = fitted(rows, unit)
    if len(unit) < TREES_FROM:
        return Shape(kernel, trees=False)
    process = GaussianProcess(rows, unit, kernel)
    mean, _ = process.left_out(unit - unit.mean())
    of_process = np.mean((mean + unit.mean() - unit) ** 2)
    of_trees = np.mean((_folds(rows, unit) - unit) ** 2)
    return Shape(kernel, trees=bool(of_trees < of_process))


def _kept(values: np.ndarray, most: int) -> np.ndarray:
    """Rows of at most `most` values: the better half of them, and the others evenly over time."""
    if len(values) <= most:
        return np.arange(len(values))
    best = np.argsort(-values, kind="stable")[: most // 2]
    others = np.setdiff1d(np.arange(len(values)), best)
    even = np.linspace(0, len(others) - 1, most - len(best)).round().astype(int)
    return np.sort(np.concatenate([best, others[even]]))


def _span(measures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    deviation = measures.std(axis=0)
    return measures.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0)


def _trees(features: Features, values: np.ndarray) -> "ExtraTreesRegressor":
    from sklearn.ensemble import ExtraTreesRegressor

    trees = ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, max_features=0.5, random_state=0)
    return trees.fit(_table(features), values)


def _of_trees(trees: "ExtraTreesRegressor", features: Features) -> tuple[np.ndarray, np.ndarray]:
    table = _table(features).astype(np.float32)
    each = np.array([tree.tree_.predict(table)[:, 0] for tree in trees.estimators_])
    return each.mean(axis=0), np.maximum(each.std(axis=0), 1e-3)


def _folds(features: Features, values: np.ndarray, folds: int = 5) -> np.ndarray:
    """Values foretold by trees that have not seen them."""
    foretold = np.zeros(len(values))
    for fold in range(folds):
        out = np.arange(len(values)) % folds == fold
        foretold[out] = _of_trees(_trees(features[~out], values[~out]), features[out])[0]
    return foretold


def _table(features: Features) -> np.ndarray:
    return np.hstack([features.choices, features.measures])
