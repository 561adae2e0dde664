"""The statistics recover the truth from disturbed samples, and keep their order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from latency.protocol import STRETCHES, Protocol, Samples, Visit, noise, reliance, summarise
from latency.source import PerExit

TRUE_MS = np.array([1.2, 0.4, 2.5, 0.1])
BLOCKS = (1, 2, 1)
ENDS = [0, 2, 3]


def trace(rng: np.random.Generator, slow_rounds: int, preempted: float) -> Samples:
    """Simulate a campaign of the default protocol: jitter, whole slow rounds, preemptions."""
    protocol = Protocol()
    shape = (protocol.rounds, protocol.repeats, len(TRUE_MS))
    samples = TRUE_MS * (1 + 0.01 * np.abs(rng.normal(size=shape)))
    slow = rng.permutation(protocol.rounds)[:slow_rounds]
    samples[slow] *= rng.uniform(1.2, 1.45, size=(slow_rounds, 1, 1))
    hit = rng.random(shape[:2]) < preempted
    block = rng.integers(len(TRUE_MS), size=shape[:2])
    samples[(*np.nonzero(hit), block[hit])] += rng.uniform(1, 10, size=int(hit.sum()))
    return samples


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("slow_rounds", "preempted"), [(0, 0.0), (0, 0.9), (6, 0.0), (5, 0.6), (4, 0.8)]
)
def test_disturbed_traces_give_the_true_latency(
    seed: int, slow_rounds: int, preempted: float
) -> None:
    samples = trace(np.random.default_rng(seed), slow_rounds, preempted)
    estimates = summarise(samples, BLOCKS, Protocol().quantile)
    found = [estimate.latency_ms for estimate in estimates]
    np.testing.assert_allclose(found, np.cumsum(TRUE_MS)[ENDS], rtol=0.01)


def test_the_usual_statistic_would_be_far_off() -> None:
    samples = trace(np.random.default_rng(0), slow_rounds=5, preempted=0.6)
    assert np.median(samples.sum(axis=2)) > 1.2 * TRUE_MS.sum()


def test_slow_rounds_widen_the_interval_upwards() -> None:
    calm = summarise(trace(np.random.default_rng(1), 0, 0.0), BLOCKS, 0.1)[-1]
    slow = summarise(trace(np.random.default_rng(1), 4, 0.0), BLOCKS, 0.1)[-1]
    assert calm.high_ms < 1.02 * calm.latency_ms
    assert slow.high_ms > 1.15 * slow.latency_ms
    assert slow.low_ms > 0.98 * slow.latency_ms


SAMPLES = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(1e-4, 1e4))
)
QUANTILES = st.floats(0, 0.99)


def every(samples: Samples, quantile: float) -> PerExit:
    """Summarise as if every block ended in an exit."""
    return summarise(samples, [1] * samples.shape[2], quantile)


@given(samples=SAMPLES, quantile=QUANTILES)
def test_estimates_are_ordered(samples: Samples, quantile: float) -> None:
    estimates = every(samples, quantile)
    assert len(estimates) == samples.shape[2]
    below = (0.0, 0.0, 0.0)
    for estimate in estimates:
        now = (estimate.low_ms, estimate.latency_ms, estimate.high_ms)
        assert now[0] <= now[1] <= now[2] < math.inf
        assert all(after > before for before, after in zip(below, now, strict=True))
        below = now


@given(samples=SAMPLES, quantile=QUANTILES, factor=st.sampled_from((0.25, 0.5, 2.0, 8.0)))
def test_the_unit_of_time_does_not_matter(samples: Samples, quantile: float, factor: float) -> None:
    one, other = every(samples, quantile), every(samples * factor, quantile)
    for a, b in zip(one, other, strict=True):
        assert b.latency_ms == pytest.approx(factor * a.latency_ms)
        assert b.low_ms == pytest.approx(factor * a.low_ms)
        assert b.high_ms == pytest.approx(factor * a.high_ms)


@given(samples=SAMPLES, quantile=QUANTILES, seed=st.integers(0, 100))
def test_the_order_of_the_rounds_does_not_matter(
    samples: Samples, quantile: float, seed: int
) -> None:
    shuffled = np.random.default_rng(seed).permutation(samples, axis=0)
    for a, b in zip(every(samples, quantile), every(shuffled, quantile), strict=True):
        assert a.latency_ms == pytest.approx(b.latency_ms)
        assert (a.low_ms, a.high_ms) == pytest.approx((b.low_ms, b.high_ms))


@given(ms=st.floats(1e-4, 1e4), rounds=st.integers(1, 5), stages=st.integers(1, 5))
def test_undisturbed_samples_leave_no_interval(ms: float, rounds: int, stages: int) -> None:
    estimates = every(np.full((rounds, 3, stages), ms), 0.1)
    for index, estimate in enumerate(estimates):
        assert estimate.latency_ms == pytest.approx((index + 1) * ms)
        assert estimate.low_ms == pytest.approx(estimate.high_ms)


@given(samples=SAMPLES, quantile=QUANTILES)
def test_an_exit_has_what_its_last_block_has(samples: Samples, quantile: float) -> None:
    assert summarise(samples, [samples.shape[2]], quantile) == every(samples, quantile)[-1:]


def test_slow_networks_get_fewer_passes() -> None:
    protocol = Protocol(warm_up=3, repeats=5, visit_ms=40.0)
    assert protocol.visit(0.0) == Visit(3, 5)
    assert protocol.visit(5.0) == Visit(3, 5)
    assert protocol.visit(10.0) == Visit(1, 3)
    assert protocol.visit(500.0) == Visit(1, 1)


@given(pass_ms=st.floats(0, 1e6), warm_up=st.integers(1, 9), repeats=st.integers(1, 9))
def test_every_visit_warms_up_and_counts(pass_ms: float, warm_up: int, repeats: int) -> None:
    visit = Protocol(warm_up=warm_up, repeats=repeats).visit(pass_ms)
    assert 1 <= visit.warm_up <= warm_up
    assert 1 <= visit.repeats <= repeats


def test_noise_is_how_much_the_halves_differ() -> None:
    samples = np.array([[[1.0, 2.0]], [[1.1, 2.2]]] * 3)
    assert noise(samples, 0.0) == pytest.approx(0.1)
    assert noise(samples[::-1], 0.0) == pytest.approx(0.1)
    assert noise(samples[::2], 0.0) == 0.0
    assert math.isnan(noise(samples[:1], 0.0))


def rounds_of(*ms: float) -> Samples:
    """Rounds of one pass each, of two parts that take so long together."""
    return np.array([[[each / 4, 3 * each / 4]] for each in ms])


def test_a_fast_stretch_is_relied_upon_and_a_slow_one_is_not() -> None:
    fast_end = rounds_of(1.1, 1.1, 1.1, 1.05, 1.0, 1.0)
    assert reliance(fast_end, 0.0) == pytest.approx(0.05)
    assert noise(fast_end, 0.0) == 0.0
    assert reliance(rounds_of(1.0, 1.0, 1.5, 1.5, 1.0, 1.0), 0.0) == 0.0
    assert reliance(rounds_of(1.0, 1.5, 1.5, 1.5, 1.5, 1.5), 0.0) == pytest.approx(0.5)


def test_of_too_few_rounds_none_can_be_spared() -> None:
    assert math.isnan(reliance(rounds_of(1.0, 1.1), 0.0))
    assert reliance(rounds_of(1.0, 1.1, 1.2), 0.0) == pytest.approx(0.1)


@given(SAMPLES, st.floats(0.1, 10), st.sampled_from([0.0, 0.1, 0.5]))
def test_reliance_has_no_unit_and_no_direction(
    samples: Samples, factor: float, quantile: float
) -> None:
    samples = np.repeat(samples, STRETCHES, axis=0)
    found = reliance(samples, quantile)
    assert found >= 0
    assert reliance(samples * factor, quantile) == pytest.approx(found)
    assert reliance(samples[::-1], quantile) == pytest.approx(found)
