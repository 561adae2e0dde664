"""Regularized evolution: age decides who lives, the tournament who has children."""

from collections import Counter

import numpy as np
import pytest

import controllers
from controllers import candidates
from controllers.evolution import Evolution
from controllers.history import History, Lesson
from tests.controllers.simulated import Point, ToySpace, search


def changed(parent: dict[str, object], child: dict[str, object]) -> int:
    """How many active decisions of the two differ."""
    one, two = (dict(ToySpace().architecture(each).choices) for each in (parent, child))
    return sum(one[name] != two[name] for name in one.keys() & two.keys())


def test_children_are_mutants_of_the_best_of_a_full_tournament() -> None:
    kept = controllers.make("evolution", space=ToySpace(), seed=1, population=8, tournament=8)
    study, _ = search(lambda: kept, trials=18)
    for number in range(8, 18):
        alive = study.trials[number - 8 : number]
        best = max(alive, key=lambda trial: trial.value or 0.0)
        assert changed(best.params, study.trials[number].params) <= 1


def test_the_oldest_dies_however_good_it_is() -> None:
    kept = controllers.make("evolution", space=ToySpace(), seed=1, population=4, tournament=4)
    study, _ = search(lambda: kept, trials=12, value=lambda number, params: float(-number))
    for number in range(4, 12):
        parent = study.trials[number - 4]  # the oldest alive has the best value here
        assert changed(parent.params, study.trials[number].params) <= 1


class Watched(ToySpace):
    """Counts whose children were asked for."""

    def __init__(self) -> None:
        self.parents: Counter[Point] = Counter()

    def mutate(self, architecture: Point, rng: np.random.Generator) -> Point:
        self.parents[architecture] += 1
        return super().mutate(architecture, rng)


def test_two_objectives_are_served_by_rank_and_crowding_in_the_population() -> None:
    """In tournaments of two every network stands at an end: among these none is crowded."""
    space, rng = Watched(), np.random.default_rng(0)
    front = [(0.0, 9.0), (3.0, 6.0), (4.9, 4.1), (5.0, 4.0), (5.2, 3.9), (9.0, 0.0)]
    points = [candidates.draw(space, rng) for _ in (*front, "beaten")]
    history = History(
        space=space,
        number=7,
        signs=(1.0, 1.0),
        lessons=tuple(map(Lesson, points, [*front, (2.0, 2.0)])),
        pending=(),
        tries={},
        digests=(),
    )
    sampler = Evolution(space, None, seed=0, population=7, tournament=2)
    for _ in range(400):
        sampler.propose(history, rng)
    left, wide, near, crowded, close, right, beaten = (space.parents[each] for each in points)
    assert beaten == 0
    # It wins against the beaten one alone: one pair of 21.
    assert 0 < crowded < 400 / 21 * 2
    assert crowded < near < wide < min(left, right)
    assert close < wide


def test_a_tournament_larger_than_the_population_is_refused() -> None:
    with pytest.raises(controllers.ControllerError, match="tournament 9: it must be at most"):
        controllers.make("evolution", population=8, tournament=9)
