"""The covariance of a Gaussian process over architectures."""

from dataclasses import dataclass

import numpy as np

from controllers.encoding import Features

TERMS = 4


@dataclass(frozen=True, slots=True)
class Kernel:
    """Sum of four covariances of what two architectures have in common.

    With a = the share of agreeing decisions, each weighted by how much it matters:
    a (main effects), a^2 (pairs of decisions), exp((a - 1) / length) (all interactions, nearby),
    and a Gaussian of the distance between the measures. ``logs``: logarithms of the four
    amplitudes, the two lengths and the noise's variance, then one score a decision, whose softmax
    are the weights.
    """

    logs: np.ndarray

    @property
    def noise(self) -> float:
        """Variance of a measured value around the truth, with the values' variance as unit."""
        return float(np.exp(self.logs[TERMS + 2]))

    @property
    def weights(self) -> np.ndarray:
        """How much each decision matters; they sum to 1."""
        scores = self.logs[TERMS + 3 :]
        powers = np.exp(scores - scores.max())
        return np.asarray(powers / powers.sum())

    def between(self, rows: Features, columns: Features) -> np.ndarray:
        """Covariances [rows, columns], without noise."""
        total, *_ = self.parts(rows, columns)
        return total

    def parts(
        self, rows: Features, columns: Features
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The covariances, then agreement, nearness, likeness and distance of the measures."""
        main, pairs, local, alike = np.exp(self.logs[:TERMS])
        length, reach = np.exp(self.logs[TERMS : TERMS + 2])
        agreement = (rows.choices * self.weights[rows.decision]) @ columns.choices.T
        near = np.exp((agreement - 1) / length)
        distance = _squared_distance(rows.measures, columns.measures)
        likeness = np.exp(-0.5 * distance / reach**2)
        total = main * agreement + pairs * agreement**2 + local * near
        if rows.measures.shape[1]:
            total = total + alike * likeness
        return total, agreement, near, likeness, distance

    def variance(self, measured: bool) -> float:
        """The variance of any architecture's value, without noise; ``measured``: has measures."""
        amplitudes = np.exp(self.logs[:TERMS])
        return float(amplitudes.sum() if measured else amplitudes[:-1].sum())


def _squared_distance(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    square = (rows**2).sum(axis=1)[:, None] + (columns**2).sum(axis=1)[None]
    return np.asarray(np.maximum(square - 2 * rows @ columns.T, 0))
