"""Looks and refits are functions of the count alone, and get rarer."""

from hypothesis import given
from hypothesis import strategies as st

from controllers.looks import EVERY, looks, refits, since_best


@given(st.integers(2, 30), st.integers(0, 3000), st.sampled_from([1, EVERY]))
def test_looks_only_ever_get_more(first: int, told: int, every: int) -> None:
    found = looks(first, told, every)
    assert looks(first, told + 1, every)[: len(found)] == found
    assert all(first <= at <= told for at in found)
    if told >= first:
        assert found[0] == first
        assert told - found[-1] < max(every, found[-1] // 50)
        assert first <= refits(first, told) <= told


def test_looks_by_hand() -> None:
    assert looks(10, 9) == []
    assert looks(10, 14) == [10, 11, 12, 13, 14]
    assert looks(10, 26, EVERY) == [10, 15, 20, 25]
    assert len([at for at in looks(10, 1100) if at > 1000]) in (4, 5)
    assert refits(10, 14) == 10
    assert refits(10, 15) == 15
    assert len({refits(10, told) for told in range(1000, 1100)}) <= 2


def test_a_new_best_value_is_a_look_of_its_own() -> None:
    values = [1.0, 2.0, 1.0, 3.0, 2.0, 4.0, 0.0]
    assert since_best(values, 2, 2) == 6
    assert since_best(values[:5], 2, 2) == 4
    assert since_best(values[:3], 2, 2) == 2
    assert since_best(values, 2, 7) == 7
