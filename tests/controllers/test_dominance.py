"""Ranks and crowding against definitions and another implementation."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from moocore import is_nondominated, pareto_rank

from controllers.dominance import crowding, nondominated, order, ranks

points = arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 3)),
    elements=st.integers(-3, 3).map(float),
)


@given(points)
def test_fronts_and_ranks_are_those_of_moocore(values: np.ndarray) -> None:
    expected = is_nondominated(values, maximise=True, keep_weakly=True)
    np.testing.assert_array_equal(nondominated(values), expected)
    np.testing.assert_array_equal(ranks(values), pareto_rank(values, maximise=True))


def test_a_thousand_values_of_one_objective_are_sorted() -> None:
    values = np.random.default_rng(0).integers(0, 100, 1000).astype(float)[:, None]
    assert list(order(values)) == sorted(range(1000), key=lambda row: (-values[row, 0], row))
    assert ranks(values).max() == len(np.unique(values)) - 1


@given(points)
def test_the_order_is_a_permutation_by_rank(values: np.ndarray) -> None:
    found = order(values)
    assert sorted(found) == list(range(len(values)))
    assert (np.diff(ranks(values)[found]) >= 0).all()


def test_crowding_by_hand() -> None:
    values = np.array([[0.0, 4.0], [1.0, 3.0], [3.0, 1.0], [4.0, 0.0]])
    np.testing.assert_allclose(crowding(values), [np.inf, 1.5, 1.5, np.inf])
    # A point close to its neighbours comes after one that stands alone.
    near = np.array([[0.0, 4.0], [1.9, 2.1], [2.0, 2.0], [2.1, 1.0], [4.0, 0.0]])
    assert list(order(near)) == [0, 4, 1, 3, 2]
