import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.curves import Curve, Point, compare

points = st.lists(
    st.builds(
        Point,
        st.integers(1, 50).map(float),
        *[st.integers(1, 99).map(lambda n: n / 100)] * 2,
    ),
    min_size=2,
    max_size=12,
)


def _curve(pairs, stepped):
    """A curve whose choices are as good as they seemed."""
    return Curve.through([Point(cost, best, best) for cost, best in pairs], stepped)


@given(points, st.booleans())
def test_a_curve_is_what_seemed_best_within_a_cost(drawn, stepped):
    curve = Curve.through(drawn, stepped)
    for cost in curve.cost:
        affordable = [each for each in drawn if each.cost <= cost]
        best = max(each.chosen_by for each in affordable)
        assert curve.at(np.array([cost]))[0] in {
            each.accuracy for each in affordable if each.chosen_by == best
        }


@given(points, st.booleans())
def test_the_least_cost_reaches_the_accuracy(drawn, stepped):
    curve = Curve.through(drawn, stepped)
    wanted = np.linspace(curve.accuracy[0], curve.best[-1], 9)
    cost = curve.cost_of(wanted)
    assert np.all(curve.at(cost) >= wanted - 1e-9)
    if stepped:
        kept = list(zip(curve.cost, curve.accuracy, strict=True))
        for accuracy, least in zip(wanted, cost, strict=True):
            assert least == min(at for at, best in kept if best >= accuracy)


def test_luck_on_the_judging_images_is_not_chosen():
    lucky = [Point(1.0, 0.5, 0.5), Point(2.0, 0.4, 0.9), Point(3.0, 0.6, 0.6)]
    assert Curve.through(lucky, stepped=True).accuracy.tolist() == [0.5, 0.6, 0.6]


def test_between_exits_nothing_is_gained_but_between_budgets():
    exits = [(1.0, 0.5), (3.0, 0.7)]
    between = np.array([2.0])
    assert _curve(exits, stepped=True).at(between) == 0.5
    assert _curve(exits, stepped=False).at(between) == pytest.approx(0.6)
    wanted = np.array([0.6])
    assert _curve(exits, stepped=True).cost_of(wanted) == 3.0
    assert _curve(exits, stepped=False).cost_of(wanted) == pytest.approx(2.0)


def test_half_the_cost_at_every_accuracy():
    cheap = _curve([(1.0, 0.4), (2.0, 0.6), (4.0, 0.8)], stepped=False)
    dear = _curve([(2.0, 0.4), (4.0, 0.6), (8.0, 0.8)], stepped=False)
    assert compare(cheap, dear).ratio == pytest.approx(2.0)
    assert compare(dear, cheap).ratio == pytest.approx(0.5)
    assert compare(cheap, dear).ratio_at_best == pytest.approx(2.0)
    assert compare(cheap, dear).gap == pytest.approx(-compare(dear, cheap).gap)
    assert compare(cheap, dear).costs == (2.0, 4.0)


def test_a_constant_lead_is_the_gap():
    steps = [(1.0, 0.4), (2.0, 0.6), (4.0, 0.8)]
    better = [(cost, accuracy + 0.03) for cost, accuracy in steps]
    found = compare(_curve(better, stepped=True), _curve(steps, stepped=True))
    assert found.gap == pytest.approx(0.03)


def test_without_a_common_accuracy_there_is_no_ratio():
    low, high = [(1.0, 0.1), (2.0, 0.2)], [(1.0, 0.5), (2.0, 0.6)]
    found = compare(_curve(high, stepped=True), _curve(low, stepped=True))
    assert np.isnan(found.ratio)
    assert found.ratio_at_best == 2.0  # 2.0 against 1.0, where the first is better already
    back = compare(_curve(low, stepped=True), _curve(high, stepped=True))
    assert np.isnan(back.ratio_at_best)
    assert found.gap == pytest.approx(0.4)
