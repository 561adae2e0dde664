import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume

from nas.pareto import front, hypervolume

BOTH = [("maximize", "minimize"), ("minimize", "minimize"), ("maximize", "minimize", "minimize")]


def _dominates(one, other, directions):
    signs = [1 if direction == "minimize" else -1 for direction in directions]
    pairs = [(s * a, s * b) for s, a, b in zip(signs, one, other, strict=True)]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _brute_force(points, directions):
    return tuple(
        i
        for i, point in enumerate(points)
        if not any(_dominates(other, point, directions) for other in points)
        and point not in points[:i]
    )


@given(st.sampled_from(BOTH), st.data())
def test_the_front_is_what_comparing_all_pairs_gives(directions, data):
    # Few values, so that ties and equal points are frequent.
    point = st.tuples(*[st.integers(0, 5).map(float) for _ in directions])
    points = data.draw(st.lists(point, max_size=25))
    assert front(points, directions) == _brute_force(points, directions)


@given(st.sampled_from(BOTH), st.integers(0, 10_000))
def test_hypervolume_agrees_with_optuna(directions, seed):
    points = np.random.default_rng(seed).random((12, len(directions)))
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    reference = np.where(signs > 0, 1.0, 0.0)
    expected = compute_hypervolume(points * signs, reference * signs)
    assert hypervolume(points.tolist(), directions, reference.tolist()) == pytest.approx(expected)


def test_a_front_worked_out_by_hand():
    points = [(0.9, 3.0), (0.8, 1.0), (0.7, 2.0), (0.9, 3.0), (0.95, 9.0)]
    assert front(points, ("maximize", "minimize")) == (0, 1, 4)
    # Three boxes against (0, 10): 0.8 x 9, then 0.1 x 7, then 0.05 x 1.
    assert hypervolume(points, ("maximize", "minimize"), (0.0, 10.0)) == pytest.approx(7.95)


def test_what_is_not_finite_is_on_no_front():
    points = [(math.nan, 1.0), (0.5, 2.0), (math.inf, 1.0), (0.6, math.nan)]
    assert front(points, ("maximize", "minimize")) == (1,)
    assert hypervolume(points, ("maximize", "minimize"), (0.0, 4.0)) == pytest.approx(1.0)


def test_points_beyond_the_reference_add_nothing():
    assert hypervolume([(0.5, 5.0)], ("maximize", "minimize"), (0.0, 4.0)) == 0.0
    assert hypervolume(
        [(0.5, 5.0), (0.5, 3.0)], ("maximize", "minimize"), (0.0, 4.0)
    ) == pytest.approx(0.5)


def test_no_points_no_front():
    assert front([], ("maximize", "minimize")) == ()
    assert hypervolume([], ("maximize", "minimize"), (0.0, 1.0)) == 0.0
