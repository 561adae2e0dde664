"""Expected improvements against numerical integration and hypervolumes of moocore."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from moocore import hypervolume
from scipy.stats import norm

from controllers.improvement import expected, expected_hypervolume, log_expected

Z = norm.ppf((np.arange(4000) + 0.5) / 4000)
"""Quantiles of a normal distribution: their mean integrates over it."""


@given(st.floats(-3, 3), st.floats(0.1, 3), st.floats(-3, 3))
def test_expected_improvement_is_the_integral(mean: float, deviation: float, best: float) -> None:
    exact = np.maximum(mean + deviation * Z - best, 0).mean()
    found = expected(np.array(mean), np.array(deviation), np.array(best))
    assert found == pytest.approx(exact, abs=2e-3 * deviation)


@pytest.mark.parametrize("z", [2.0, -1.0, -5.0, -11.9, -12.1, -40.0])
def test_the_logarithm_is_that_of_the_expectation(z: float) -> None:
    """Against the integral of the tail, with the density taken out: it does not underflow."""
    steps = (np.arange(400_000) + 0.5) / 400_000 * 20
    tail = np.log(np.mean(steps * np.exp(-0.5 * steps**2 + z * steps)) * 20)
    exact = tail - 0.5 * z * z - 0.5 * np.log(2 * np.pi)
    found = float(log_expected(np.array(z), np.array(1.0), np.array(0.0)))
    assert found == pytest.approx(exact, abs=1e-3)


def test_the_logarithm_still_orders_what_underflows() -> None:
    means = -np.logspace(0, 4, 60)
    found = log_expected(means, np.ones(60), np.zeros(60))
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()


def volume(points: np.ndarray, reference: np.ndarray) -> float:
    inside = points[(points > reference).all(axis=1)]
    return float(hypervolume(-inside, ref=-reference)) if len(inside) else 0.0


@pytest.mark.parametrize("objectives", [2, 3])
@given(st.data())
def test_expected_hypervolume_is_the_integral(objectives: int, data: st.DataObject) -> None:
    numbers = st.integers(0, 8).map(lambda n: n / 4)
    front = data.draw(
        arrays(np.float64, st.tuples(st.integers(0, 5), st.just(objectives)), elements=numbers)
    )
    known = data.draw(arrays(np.float64, (1, objectives - 1), elements=numbers))
    mean, deviation = data.draw(numbers), data.draw(st.sampled_from([0.01, 0.3, 1.0]))
    reference = np.full(objectives, 0.2)
    before = volume(front, reference)
    values = mean + deviation * norm.ppf((np.arange(200) + 0.5) / 200)
    gains = [volume(np.vstack([front, [value, *known[0]]]), reference) - before for value in values]
    found = expected_hypervolume(np.array([mean]), np.array([deviation]), known, front, reference)
    assert found[0] == pytest.approx(np.mean(gains), abs=0.03 * deviation)
