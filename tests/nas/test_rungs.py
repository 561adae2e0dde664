"""Successive halving without waiting, by itself."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import UserError
from nas.rungs import Ladder, Rungs


@pytest.mark.parametrize(
    ("last", "grace", "reduction", "epochs"),
    [(9, 1, 3, (1, 3)), (10, 1, 3, (1, 3, 9)), (4, 1, 2, (1, 2)), (20, 4, 4, (4, 16))],
)
def test_rungs_lie_a_factor_apart(
    last: int, grace: int, reduction: int, epochs: tuple[int, ...]
) -> None:
    rungs = Rungs.asha(last, grace, reduction)
    assert rungs.epochs == epochs
    assert [rungs.after(each) for each in (0, *epochs)] == [*epochs, last]


def test_a_full_training_has_no_rungs() -> None:
    assert Rungs.full(7).after(0) == 7


def test_a_first_rung_beyond_the_end_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^grace 4: networks are compared .* of 4,"):
        Rungs.asha(4, 4, 3)


def climb(values: list[tuple[float, ...]], rungs: Rungs, signs: list[float]) -> dict[int, int]:
    """How many epochs each network is trained, one worker, all its promotions taken."""
    ladder, reached = Ladder(rungs, signs), {}

    def train(network: int, epochs: int) -> None:
        while (epochs := rungs.after(epochs)) < rungs.last:
            on = ladder.may_go_on(network, epochs, values[network])
            ladder.add(network, epochs, values[network], on)
            if not on:
                break
        reached[network] = epochs

    for network in range(len(values)):
        train(network, 0)
        while (found := ladder.next()) is not None:
            ladder.promote(*found)
            train(*found)
    return reached


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.sampled_from([2, 3, 4]))
def test_of_so_many_networks_one_goes_on(scores: list[float], reduction: int) -> None:
    rungs = Rungs.asha(reduction**2, 1, reduction)
    reached = climb([(score,) for score in scores], rungs, [1.0])
    at_second = sum(epochs > 1 for epochs in reached.values())
    assert at_second == len(scores) // reduction
    assert sum(epochs > reduction for epochs in reached.values()) == at_second // reduction


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20, unique=True), st.sampled_from([2, 3, 4]))
def test_the_best_goes_on_to_the_end_when_enough_others_have_come(
    scores: list[float], reduction: int
) -> None:
    worse = [-float(k) for k in range(1, 1 + (len(scores) + 1) * reduction**2)]
    rungs = Rungs.asha(reduction**2, 1, reduction)
    reached = climb([(score,) for score in (*scores, *worse)], rungs, [1.0])
    assert reached[int(np.argmax(scores))] == rungs.last


def test_networks_of_which_each_is_better_than_all_before_are_not_all_trained_to_the_end() -> None:
    rungs = Rungs.asha(9, 1, 3)
    reached = climb([(float(k),) for k in range(81)], rungs, [1.0])
    assert [sum(at >= epochs for at in reached.values()) for epochs in (1, 3, 9)] == [81, 27, 9]


def test_most_epochs_are_spent_on_the_best() -> None:
    rng = np.random.default_rng(0)
    scores = rng.permutation(81) / 81
    reached = climb([(score,) for score in scores], Rungs.asha(9, 1, 3), [1.0])
    assert sum(reached.values()) < 0.4 * 81 * 9
    assert reached[int(np.argmax(scores))] == 9


def test_several_objectives_are_compared_by_their_rank() -> None:
    # Accuracy up, latency down: 0 and 2 are on the front, 1 and 3 are beaten by both or one.
    values = [(0.9, 5.0), (0.5, 6.0), (0.6, 1.0), (0.4, 4.0)]
    reached = climb(values, Rungs.asha(4, 1, 2), [1.0, -1.0])
    assert {network for network, epochs in reached.items() if epochs > 1} == {0, 2}


def test_a_promoted_network_is_not_promoted_twice() -> None:
    ladder = Ladder(Rungs.asha(9, 1, 3), [1.0])
    for network, score in enumerate((0.1, 0.9, 0.2)):
        ladder.add(network, 1, (score,), False)
    assert ladder.next() == (1, 1)
    ladder.promote(1, 1)
    assert ladder.next() is None


def test_values_that_are_all_the_same_let_the_first_go_on() -> None:
    assert climb([(1.0,)] * 9, Rungs.asha(9, 1, 3), [1.0])[0] == 9
    assert math.isfinite(sum(climb([(1.0,)] * 9, Rungs.asha(9, 1, 3), [1.0]).values()))
