"""What an architecture will be worth once trained, learnt from those that were.

Two models compete, judged by how well each foretells architectures that it has not seen: a
Gaussian process (closed form, good from the first ten trials) and an ensemble of extremely
randomised trees (Geurts et al. 2006), which copes with cliffs.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from controllers.encoding import Features
from controllers.gaussian_process import GaussianProcess, fitted
from controllers.kernel import Kernel

if TYPE_CHECKING:
    from controllers.forest import Forest

KERNEL_ROWS = 250
"""A kernel's numbers are fitted on at most so many trials, the process on `ROWS`."""
ROWS = 400
TREES_FROM = 40
"""Trials from which on trees are tried: fewer make no tree worth its name."""
FOLDS = 5


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

    The accuracy is raised by no more than what it is worth is: a network that computes next to
    nothing has a great weight, and would look promising if its accuracy were raised.

    Args:
        features: of n architectures.
        worth: float64 [n], accuracy times weight; higher is better.
        shape: of another model of the same space, or None to choose one for these data.
        anchor: the lowest worth that is not low; None for the median.
        weights: float64 [n] or one for all, above 0.
        networks: the key of each, equal where a network was trained again; None for n of them.
    """

    def __init__(
        self,
        features: Features,
        worth: np.ndarray,
        shape: Shape | None = None,
        anchor: float | None = None,
        weights: np.ndarray | float = 1.0,
        networks: Sequence[str] | None = None,
    ) -> None:
        self.kept = kept = _kept(worth, ROWS)
        self._centre, self._scale = _span(features.measures)
        self.values = half_rank(worth, anchor) / weights
        if anchor is None:
            # A small weight makes its worth low, however good the network: not to be raised either.
            self.values = np.minimum(self.values, half_rank(worth / weights))
        self._mean = float(self.values.mean())
        self._deviation = float(self.values.std()) or 1.0
        rows, unit = self._scaled(features[kept]), self._unit(self.values[kept])
        which = kept if networks is None else np.unique(networks, return_inverse=True)[1][kept]
        self.shape = shape or _chosen(rows, unit, which)
        self._learnt = _learnt(self.shape, rows, unit)

    def at_kept(self) -> np.ndarray:
        """Means of those of the n architectures that were `kept`: their values without noise."""
        unit = self._learnt.at_known()[: len(self.kept)]
        return np.asarray(unit * self._deviation + self._mean)

    @property
    def noise(self) -> float | None:
        """Standard deviation of what a single training shows; None where it is not known."""
        unit = self._learnt.noise
        return None if unit is None else unit * self._deviation

    def believing(self, features: Features) -> "AccuracyModel":
        """A model for which these architectures have shown what this one expects of them.

        Means stay, deviations nearby shrink (Ginsbourger et al. 2010, "kriging believer").
        """
        model = copy.copy(self)
        model._learnt = self._learnt.believing(self._scaled(features))
        return model

    def predict(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the values that training would show on average."""
        mean, deviation = self._learnt.predict(self._scaled(features))
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


def _learnt(shape: Shape, features: Features, values: np.ndarray) -> "GaussianProcess | Forest":
    if not shape.trees:
        return GaussianProcess(features, values, shape.kernel)
    from controllers.forest import Forest

    return Forest(features, values)


def _chosen(features: Features, values: np.ndarray, networks: np.ndarray) -> Shape:
    """The shape that foretells best the values of networks that it was not shown.

    Trees are taken where they are better by more than one standard error of the difference (the
    rule of Breiman et al. 1984, section 3.4.3): of models that cannot be told apart the process is
    the one that knows where it is uncertain, and improvements are expected there.

    Args:
        features, values: of n trainings.
        networks: int [n], which network each is of.
    """
    kept = _kept(values, KERNEL_ROWS)
    rows, unit = features[kept], values[kept]
    kernel = fitted(rows, unit)
    if len(unit) < TREES_FROM:
        return Shape(kernel, trees=False)
    of_process, of_trees = _missed(rows, unit, kernel, networks[kept])
    gain = of_process - of_trees
    return Shape(kernel, trees=bool(gain.mean() > gain.std(ddof=1) / len(gain) ** 0.5))


def _missed(
    features: Features, values: np.ndarray, kernel: Kernel, networks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """By what a process and trees miss each value when it was not shown to them, squared [n].

    kernel: of all values, near which those of a part of them are looked for.
    """
    of_process, of_trees = np.zeros(len(values)), np.zeros(len(values))
    for out in _folds(networks):
        rows, known = features[~out], values[~out]
        # The process may know no more of what is left out than the trees: a kernel of its own.
        apart = Shape(fitted(rows, known, near=kernel), trees=False)
        of_process[out] = _square(_learnt(apart, rows, known), features[out], values[out])
        trees = Shape(kernel, trees=True)
        of_trees[out] = _square(_learnt(trees, rows, known), features[out], values[out])
    return of_process, of_trees


def _square(
    model: "GaussianProcess | Forest", features: Features, values: np.ndarray
) -> np.ndarray:
    mean, _ = model.predict(features)
    return np.asarray((mean - values) ** 2)


def _folds(networks: np.ndarray) -> list[np.ndarray]:
    """Which rows are left out, bool [n] each: networks in turn, all trainings of one together."""
    _, first, which = np.unique(networks, return_index=True, return_inverse=True)
    turn = np.argsort(np.argsort(first))[which]  # 0, 1, 2... in the order in which they came
    return [turn % FOLDS == fold for fold in range(min(FOLDS, len(first)))]


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
