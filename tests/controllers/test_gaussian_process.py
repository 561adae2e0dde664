"""The process against scikit-learn's, its gradient against differences."""

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from scipy.optimize import check_grad
from sklearn.kernel_ridge import KernelRidge

from controllers import gaussian_process as module
from controllers.candidates import draw
from controllers.encoding import Encoder, Features
from controllers.gaussian_process import START, GaussianProcess, fitted
from controllers.kernel import Kernel
from controllers.plain_space import PlainSpace, Point

DECISIONS: dict[str, BaseDistribution] = {
    f"d{at}": CategoricalDistribution(["a", "b", "c", "d"]) for at in range(6)
}
SPACE = PlainSpace(DECISIONS)


def points(count: int, seed: int = 0) -> list[Point]:
    rng = np.random.default_rng(seed)
    found = [draw(SPACE, rng) for _ in range(count)]
    assert all(isinstance(each, Point) for each in found)
    return found  # type: ignore[return-value]


def features(count: int, seed: int = 0, measured: bool = True) -> Features:
    measure = (lambda point: (1.0 + sum(point.tokens), 2.0)) if measured else None
    return Encoder(SPACE, measure)(points(count, seed))


def effect(given: list[Point]) -> np.ndarray:
    """One decision decides nearly all."""
    return np.array([point.tokens[2] + 0.05 * point.tokens[4] for point in given], dtype=float)


@pytest.fixture
def kernel() -> Kernel:
    rng = np.random.default_rng(1)
    return Kernel(np.concatenate([START, np.zeros(6)]) + 0.3 * rng.standard_normal(13))


def test_means_are_those_of_scikit_learn_and_deviations_by_the_book(kernel: Kernel) -> None:
    known, asked = features(20), features(7, seed=5)
    values = np.random.default_rng(2).standard_normal(20)
    mean, deviation = GaussianProcess(known, values, kernel).predict(asked)
    ridge = KernelRidge(alpha=kernel.noise + module.JITTER, kernel="precomputed")
    ridge.fit(kernel.between(known, known), values - values.mean())
    across = kernel.between(asked, known)
    np.testing.assert_allclose(mean, values.mean() + ridge.predict(across))
    covariance = kernel.between(known, known) + (kernel.noise + module.JITTER) * np.eye(20)
    left = kernel.between(asked, asked) - across @ np.linalg.solve(covariance, across.T)
    np.testing.assert_allclose(deviation, np.sqrt(np.diag(left)), rtol=1e-6)


def test_a_fit_that_begins_near_the_answer_ends_there_too() -> None:
    rows, values = features(60), _unit(effect(points(60)))
    others = np.arange(60) % 5 != 0
    anew, warm = (
        fitted(rows[others], values[others], near) for near in (None, fitted(rows, values))
    )
    np.testing.assert_allclose(warm.between(rows, rows), anew.between(rows, rows), atol=0.05)


@pytest.mark.parametrize("measured", [True, False])
def test_the_gradient_is_that_of_the_loss(kernel: Kernel, measured: bool) -> None:
    known, values = features(15, measured=measured), np.random.default_rng(4).standard_normal(15)
    start = np.concatenate([START, np.zeros(6)])

    def loss(logs: np.ndarray) -> float:
        return module._loss(known, values, start, logs)[0]

    def gradient(logs: np.ndarray) -> np.ndarray:
        return module._loss(known, values, start, logs)[1]

    assert check_grad(loss, gradient, kernel.logs) < 1e-3


def test_the_kernel_finds_the_decision_that_matters() -> None:
    found = fitted(features(60, measured=False), _unit(effect(points(60))))
    assert int(found.weights.argmax()) == 2
    assert found.weights[2] > 2 * np.delete(found.weights, 2).max()
    assert found.noise < 0.05


def test_it_foretells_what_it_has_not_seen() -> None:
    values = _unit(effect(points(60)))
    process = GaussianProcess(features(60), values, fitted(features(60), values))
    mean, deviation = process.predict(features(200, seed=9))
    truth = effect(points(200, seed=9))
    assert np.corrcoef(mean, truth)[0, 1] > 0.98
    assert (deviation > 0).all()


def _unit(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean()) / values.std())
