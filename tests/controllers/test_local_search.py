"""Local search: first improvement, and a new start from a summit."""

from collections.abc import Mapping
from typing import Any

import controllers
from tests.controllers.simulated import ToyCost, ToySpace, search


def is_neighbour(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    space = ToySpace()
    return space.architecture(two) in set(space.neighbours(space.architecture(one)))


def test_each_proposal_is_a_neighbour_of_the_best_so_far_until_it_is_a_summit() -> None:
    kept = controllers.make("local_search", space=ToySpace(), seed=3)
    study, _ = search(lambda: kept, trials=40)
    best, tried, climbs = study.trials[0], {study.trials[0].number}, 0
    for trial in study.trials[1:-1]:
        near = len(list(ToySpace().neighbours(ToySpace().architecture(best.params))))
        if not is_neighbour(best.params, trial.params):
            # Only a summit is left: all its neighbours were tried by then.
            around = [
                t for t in study.trials[: trial.number] if is_neighbour(best.params, t.params)
            ]
            assert len(around) == near
            break
        tried.add(trial.number)
        if (trial.value or 0.0) > (best.value or 0.0):
            best, climbs = trial, climbs + 1
    assert climbs > 1


def test_a_restart_climbs_from_where_it_began_however_low() -> None:
    """All architectures are worth less and less: every start is a summit."""
    kept = controllers.make("local_search", space=ToySpace(), seed=3)
    study, _ = search(lambda: kept, trials=60, value=lambda number, params: float(-number))
    first = study.trials[0]
    away = [t.number for t in study.trials[1:] if not is_neighbour(first.params, t.params)]
    restart = study.trials[away[0]]
    after = study.trials[away[0] + 1]
    assert is_neighbour(restart.params, after.params)


def test_a_summit_at_the_bounds_is_left_too() -> None:
    """Neighbours beyond the bounds are never trained, and nobody waits for them."""
    kept = controllers.make("local_search", space=ToySpace(), cost=ToyCost(bound_ms=2.0), seed=3)
    study, _ = search(lambda: kept, trials=50, value=lambda number, params: float(-number))
    first = study.trials[0]
    restart = next(t for t in study.trials[1:] if not is_neighbour(first.params, t.params))
    after = study.trials[restart.number + 1]
    assert is_neighbour(restart.params, after.params)
    assert {trial.params["width"] for trial in study.trials} == {16, 32}


def test_failed_neighbours_do_not_hold_a_summit() -> None:
    kept = controllers.make("local_search", space=ToySpace(), seed=3)
    study, _ = search(
        lambda: kept, trials=60, value=lambda number, params: 1.0 if number == 0 else None
    )
    assert len({str(trial.params) for trial in study.trials}) == 60
