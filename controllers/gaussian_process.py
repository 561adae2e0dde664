"""Gaussian process regression (Rasmussen and Williams 2006, chapters 2 and 5) on architectures."""

from functools import partial

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from controllers.encoding import Features, joined
from controllers.kernel import TERMS, Kernel

# Logarithms of: four amplitudes, two lengths, noise. What is believed before any data: nearness
# over all decisions explains most: what is far from all that was trained is uncertain, whatever its
# measures are like. A tenth of the values' variance is noise, give or take a factor 5.
START = np.log([0.1, 0.1, 0.8, 0.1, 0.6, 1.0, 0.1])
DOUBT = np.array([1.0, 1.0, 0.5, 1.0, 0.3, 1.0, 1.5])
SCORES_DOUBT = 1.0
"""Standard deviation of a decision's score: weights differ by a factor of e or so."""
LEAST, MOST = np.log(1e-6), np.log(1e3)
JITTER = 1e-8
DECIMALS = 2
"""Kept of a logarithm: processors round differently, and proposals should not."""
STEPS = 60
"""Of the optimiser, at most."""


class GaussianProcess:
    """What values of some architectures tell about others.

    Args:
        features: of the n architectures.
        values: float64 [n], of mean about 0 and variance about 1.
        kernel: as `fitted` finds it.
        mean: what is believed far from all of them; None for the mean of the values.
    """

    def __init__(
        self,
        features: Features,
        values: np.ndarray,
        kernel: Kernel,
        mean: float | None = None,
    ) -> None:
        self._features, self._kernel = features, kernel
        covariance = kernel.between(features, features)
        covariance[np.diag_indices(len(values))] += kernel.noise + JITTER
        self._factor = cholesky(covariance, lower=True)
        self._mean = float(values.mean()) if mean is None else mean
        self._values = values
        self._weights = cho_solve((self._factor, True), values - self._mean)

    def predict(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the values without noise, float64 [m] each."""
        across = self._kernel.between(features, self._features)
        mean = self._mean + across @ self._weights
        solved = solve_triangular(self._factor, across.T, lower=True)
        prior = self._kernel.variance(bool(features.measures.shape[1]))
        return mean, np.sqrt(np.maximum(prior - (solved**2).sum(axis=0), 1e-12))

    def at_known(self) -> np.ndarray:
        """Means of the n architectures themselves, float64 [n]: their values without noise."""
        return np.asarray(self._values - (self._kernel.noise + JITTER) * self._weights)

    @property
    def noise(self) -> float:
        """Standard deviation that a value has beyond its architecture's own."""
        return float(np.sqrt(self._kernel.noise))

    def believing(self, features: Features) -> "GaussianProcess":
        """A process for which these architectures have the values that this one expects."""
        mean, _ = self.predict(features)
        values = np.concatenate([self._values, mean])
        # What is only believed says nothing of what lies elsewhere: the mean stays.
        return GaussianProcess(joined(self._features, features), values, self._kernel, self._mean)


def fitted(features: Features, values: np.ndarray, near: Kernel | None = None) -> Kernel:
    """The kernel of highest posterior density, from a fixed start: the same data, the same kernel.

    Args:
        features: of n architectures.
        values: float64 [n], of mean about 0 and variance about 1.
        near: where to begin instead, such as the kernel of most of these data.
    """
    decisions = int(features.decision.max()) + 1
    start = np.concatenate([START, np.zeros(decisions)])
    found = minimize(
        partial(_loss, features, values - values.mean(), start),
        start if near is None else near.logs,
        jac=True,
        method="L-BFGS-B",
        bounds=[(LEAST, MOST)] * len(start),
        options={"maxiter": STEPS},
    )
    return Kernel(np.round(found.x, DECIMALS))


def _loss(
    features: Features, values: np.ndarray, start: np.ndarray, logs: np.ndarray
) -> tuple[float, np.ndarray]:
    """Negative log posterior of the kernel's numbers, and its gradient."""
    kernel, doubt = Kernel(logs), _doubt(len(logs))
    total, agreement, near, likeness, distance = kernel.parts(features, features)
    total[np.diag_indices(len(values))] += kernel.noise + JITTER
    try:
        factor = cholesky(total, lower=True)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros(len(logs))
    weights = cho_solve((factor, True), values)
    inverse = cho_solve((factor, True), np.eye(len(values)))
    off = (logs - start) / doubt
    loss = 0.5 * values @ weights + np.log(np.diag(factor)).sum() + 0.5 * (off**2).sum()
    # d loss = sum(slope * d covariance)
    slope = 0.5 * (inverse - np.outer(weights, weights))
    main, pairs, local, alike = np.exp(logs[:TERMS])
    length, reach = np.exp(logs[TERMS : TERMS + 2])
    measured = bool(features.measures.shape[1])
    first = [
        main * (slope * agreement).sum(),
        pairs * (slope * agreement**2).sum(),
        local * (slope * near).sum(),
        measured * alike * (slope * likeness).sum(),
        local * (slope * near * (1 - agreement)).sum() / length,
        measured * alike * (slope * likeness * distance).sum() / reach**2,
        kernel.noise * np.trace(slope),
    ]
    by_agreement = slope * (main + 2 * pairs * agreement + local / length * near)
    columns = ((by_agreement @ features.choices) * features.choices).sum(axis=0)
    by_weight = np.bincount(features.decision, columns, minlength=len(kernel.weights))
    by_score = kernel.weights * (by_weight - kernel.weights @ by_weight)
    return float(loss), np.concatenate([first, by_score]) + off / doubt


def _doubt(count: int) -> np.ndarray:
    return np.concatenate([DOUBT, np.full(count - len(DOUBT), SCORES_DOUBT)])
