import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.curves import Curve, compare

points = st.lists(
    st.tuples(st.integers(1, 50).map(float), st.integers(1, 99).map(lambda n: n / 100)),
    min_size=2,
    max_size=12,
)


@given(points, st.booleans())
def test_a_curve_is_the_best_within_a_cost(given_points, stepped):
    curve = Curve.through(given_points, stepped)
    for cost in curve.cost:
        best = max(accuracy for at, accuracy in given_points if at <= cost)
        assert curve.at(np.array([cost]))[0] == pytest.approx(best)


@given(points, st.booleans())
def test_the_least_cost_reaches_the_accuracy(given_points, stepped):
    curve = Curve.through(given_points, stepped)
    wanted = np.linspace(curve.accuracy[0], curve.accuracy[-1], 9)
    cost = curve.cost_of(wanted)
    assert np.all(curve.at(cost) >= wanted - 1e-9)
    if stepped:
        for accuracy, least in zip(wanted, cost, strict=True):
            assert least == min(at for at, best in given_points if best >= accuracy)


def test_between_exits_nothing_is_gained_but_between_budgets():
    exits = [(1.0, 0.5), (3.0, 0.7)]
    between = np.array([2.0])
    assert Curve.through(exits, stepped=True).at(between) == 0.5
    assert Curve.through(exits, stepped=False).at(between) == pytest.approx(0.6)
    wanted = np.array([0.6])
    assert Curve.through(exits, stepped=True).cost_of(wanted) == 3.0
    assert Curve.through(exits, stepped=False).cost_of(wanted) == pytest.approx(2.0)


def test_half_the_cost_at_every_accuracy():
    cheap = Curve.through([(1.0, 0.4), (2.0, 0.6), (4.0, 0.8)], stepped=False)
    dear = Curve.through([(2.0, 0.4), (4.0, 0.6), (8.0, 0.8)], stepped=False)
    assert compare(cheap, dear).ratio == pytest.approx(2.0)
    assert compare(dear, cheap).ratio == pytest.approx(0.5)
    assert compare(cheap, dear).gap == pytest.approx(-compare(dear, cheap).gap)
    assert compare(cheap, dear).costs == (2.0, 4.0)


def test_a_constant_lead_is_the_gap():
    steps = [(1.0, 0.4), (2.0, 0.6), (4.0, 0.8)]
    better = [(cost, accuracy + 0.03) for cost, accuracy in steps]
    found = compare(Curve.through(better, stepped=True), Curve.through(steps, stepped=True))
    assert found.gap == pytest.approx(0.03)


def test_without_a_common_accuracy_there_is_no_ratio():
    low, high = [(1.0, 0.1), (2.0, 0.2)], [(1.0, 0.5), (2.0, 0.6)]
    found = compare(Curve.through(high, stepped=True), Curve.through(low, stepped=True))
    assert np.isnan(found.ratio)
    assert found.gap == pytest.approx(0.4)
