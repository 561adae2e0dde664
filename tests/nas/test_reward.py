import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import UserError
from nas.rewards import Reward, reward

fractions = st.floats(0.0, 1.0)
times = st.floats(1e-3, 1e4)
exponents = st.floats(-2.0, 0.0)


def test_soft_twice_the_latency_costs_five_percent():
    assert reward(0.8, 150.0, 75.0) == pytest.approx(0.8 * 2**-0.07)
    assert reward(0.8, 150.0, 75.0) / 0.8 == pytest.approx(0.953, abs=5e-4)
    assert reward(0.8, 37.5, 75.0) == pytest.approx(0.8 * 2**0.07)  # faster is rewarded too


def test_hard_wins_nothing_below_the_target_and_loses_much_above():
    hard = Reward.hard(75.0)
    assert hard(0.8, 10.0) == hard(0.8, 75.0) == 0.8
    assert hard(0.8, 150.0) == pytest.approx(0.4)


def test_each_side_of_the_target_has_its_exponent():
    assert reward(0.5, 1.0, 2.0, alpha=-1.0, beta=-2.0) == pytest.approx(1.0)
    assert reward(0.5, 4.0, 2.0, alpha=-1.0, beta=-2.0) == pytest.approx(0.125)
    assert reward(0.5, 4.0, 2.0, w=-1.0, alpha=-0.1) == pytest.approx(0.25)
    assert reward(0.5, 1.0, 2.0, w=-1.0, beta=-0.1) == pytest.approx(1.0)


def test_soft_and_hard_are_what_the_function_gives():
    assert Reward.soft(3.0, -0.1)(0.7, 5.0) == reward(0.7, 5.0, 3.0, w=-0.1)
    assert Reward.soft(3.0) == Reward(3.0, -0.07, -0.07)
    assert Reward.hard(3.0)(0.7, 5.0) == reward(0.7, 5.0, 3.0, alpha=0.0, beta=-1.0)


@given(fractions, fractions, times, times, exponents, exponents)
def test_more_accurate_is_never_worse(one, other, latency, target, alpha, beta):
    measure = Reward(target, alpha, beta)
    low, high = sorted((one, other))
    assert measure(low, latency) <= measure(high, latency)


@given(fractions, times, times, times, exponents, exponents)
def test_slower_is_never_better(accuracy, one, other, target, alpha, beta):
    measure = Reward(target, alpha, beta)
    fast, slow = sorted((one, other))
    assert measure(accuracy, slow) <= measure(accuracy, fast) * (1 + 1e-12)


@given(fractions, times, exponents, exponents)
def test_at_the_target_it_is_the_accuracy_from_both_sides(accuracy, target, alpha, beta):
    measure = Reward(target, alpha, beta)
    assert measure(accuracy, target) == accuracy
    for near in (math.nextafter(target, 0.0), math.nextafter(target, math.inf)):
        assert measure(accuracy, near) == pytest.approx(accuracy, rel=1e-9)


@given(fractions, times, times, st.floats(1e-3, 1e3))
def test_only_the_ratio_to_the_target_counts(accuracy, latency, target, unit):
    assert Reward.soft(target)(accuracy, latency) == pytest.approx(
        Reward.soft(target * unit)(accuracy, latency * unit)
    )


@pytest.mark.parametrize("target", [0.0, -1.0, math.nan, math.inf])
def test_a_target_must_be_positive(target):
    with pytest.raises(UserError, match=r"^target latency .* ms: must be a positive number"):
        Reward.soft(target)


def test_an_exponent_that_rewards_slowness_is_refused():
    with pytest.raises(UserError, match=r"^reward exponent 0\.07: must be 0 or negative"):
        Reward.soft(2.0, 0.07)


@pytest.mark.parametrize(
    ("accuracy", "latency", "said"),
    [(70.0, 1.0, "accuracy 70.0"), (0.7, 0.0, "latency 0.0 ms"), (math.nan, 1.0, "accuracy nan")],
)
def test_what_is_no_accuracy_or_latency_is_refused(accuracy, latency, said):
    with pytest.raises(UserError, match=said):
        reward(accuracy, latency, 2.0)
