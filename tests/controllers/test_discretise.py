"""Discretised ranges stay inside their distribution and cover it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from controllers.discretise import GRID, Axis, options

pytestmark = pytest.mark.filterwarnings("ignore:The distribution is specified by")

numbers = st.floats(-1e6, 1e6)
positive = st.floats(1e-9, 1e6)
distributions = st.one_of(
    st.builds(
        lambda a, b: FloatDistribution(min(a, b), max(a, b)),
        numbers,
        numbers,
    ),
    st.builds(lambda a, b: FloatDistribution(min(a, b), max(a, b), log=True), positive, positive),
    st.builds(
        lambda low, step, count: FloatDistribution(low, low + step * count, step=step),
        st.sampled_from([-10.2, 0.0, 0.1, 3.0]),
        st.sampled_from([0.1, 0.5, 7.0]),
        st.integers(0, 300),
    ),
    st.builds(
        lambda low, count, step: IntDistribution(low, low + step * count, step=step),
        st.integers(-1000, 1000),
        st.integers(0, 500),
        st.integers(1, 9),
    ),
    st.builds(
        lambda low, more: IntDistribution(low, low + more, log=True),
        st.integers(1, 1000),
        st.integers(0, 5000),
    ),
)


@given(distributions)
def test_options_are_inside_distinct_few_and_reach_both_ends(dist: BaseDistribution) -> None:
    found = options(dist)
    assert isinstance(dist, FloatDistribution | IntDistribution)
    assert 1 <= len(found) <= GRID
    assert list(found) == sorted(set(found))
    assert all(dist._contains(dist.to_internal_repr(option)) for option in found)
    assert found[0] == dist.low
    assert found[-1] == pytest.approx(dist.high, rel=1e-12)
    kind = int if isinstance(dist, IntDistribution) else float
    assert {type(option) for option in found} == {kind}


@given(distributions)
def test_every_option_stands_for_itself(dist: BaseDistribution) -> None:
    axis = Axis("x", dist, options(dist))
    assert [axis.index(option) for option in axis.options] == list(range(len(axis.options)))


def test_small_ranges_keep_every_value() -> None:
    assert options(IntDistribution(2, 10, step=2)) == (2, 4, 6, 8, 10)
    assert options(CategoricalDistribution(("a", None, 3))) == ("a", None, 3)


def test_values_off_the_grid_go_to_the_nearest_option() -> None:
    wide = FloatDistribution(0.0, 15.0)
    assert Axis("x", wide, options(wide)).index(3.4) == 3
    log = FloatDistribution(1e-15, 1.0, log=True)
    assert Axis("x", log, options(log)).index(2e-5) == 10
