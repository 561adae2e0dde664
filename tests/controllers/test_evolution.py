"""Regularized evolution: age decides who lives, the tournament who has children."""

import optuna
import pytest

import controllers
from tests.controllers.simulated import OPTIONS, ToySpace, accuracy, search


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


def test_two_objectives_are_served_by_rank_and_crowding() -> None:
    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=controllers.make("evolution", space=ToySpace(), seed=0, population=10),
    )
    for _ in range(70):
        trial = study.ask(ToySpace().distributions())
        study.tell(trial, (accuracy(trial.params), OPTIONS["width"].index(trial.params["width"])))
    front = {trial.values[1]: trial.values[0] for trial in study.best_trials}
    assert set(front) == {0, 1, 2}
    assert front[0] > 0.6
    assert front[2] > 0.9


def test_a_tournament_larger_than_the_population_is_refused() -> None:
    with pytest.raises(controllers.ControllerError, match="tournament 9: it must be at most"):
        controllers.make("evolution", population=8, tournament=9)
