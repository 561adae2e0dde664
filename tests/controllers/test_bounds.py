"""Hard bounds: every controller proposes within them wherever the space has anything there."""

from typing import Any

import optuna
import pytest

import controllers
from controllers.bounds import ASKED
from tests.controllers.simulated import OPTIONS, Point, ToySpace, search

every_controller = pytest.mark.parametrize("name", controllers.names())


class Wanting:
    """A network may have the wanted choices only: each other one is a bound exceeded."""

    def __init__(self, **wanted: Any) -> None:
        self._wanted = wanted

    def violation(self, architecture: Point) -> float:
        choices = dict(architecture.choices)
        return float(sum(choices.get(name) != option for name, option in self._wanted.items()))


FEW = {"width": 64, "op": "shuffle", "attention": True}
"""Twelve networks of 144, one draw of eighteen."""


@every_controller
@pytest.mark.parametrize(
    ("workers", "more"), [(1, {}), (3, {"groups": 4}), (1, {"groups": 4, "depth": 3})]
)
def test_all_proposals_are_within_the_bounds(name: str, workers: int, more: dict[str, Any]) -> None:
    """Of 12, 4 and 1 networks within: also once all of these were tried."""
    cost = Wanting(**FEW, **more)
    kept = controllers.make(name, space=ToySpace(), cost=cost, seed=3)
    trials = 14 if name == "gp" else 40  # it is asked up to fifty times, a tenth of a second each
    study, _ = search(lambda: kept, trials=trials, workers=workers)
    violations = [cost.violation(ToySpace().architecture(t.params)) for t in study.trials]
    assert violations == [0] * trials


@every_controller
def test_a_single_network_within_the_bounds_is_found(name: str) -> None:
    cost = Wanting(**FEW, groups=4, depth=3)
    kept = controllers.make(name, space=ToySpace(), cost=cost, seed=3)
    study, _ = search(lambda: kept, trials=1)
    found = ToySpace().architecture(study.trials[0].params)
    assert dict(found.choices) == {**FEW, "groups": 4, "depth": 3}


@every_controller
def test_bounds_that_nothing_meets_end_no_search(name: str) -> None:
    kept = controllers.make(name, space=ToySpace(), cost=Wanting(width=128), seed=3)
    study, _ = search(lambda: kept, trials=4)
    assert all(trial.params.keys() == OPTIONS.keys() for trial in study.trials)


@pytest.mark.parametrize("name", ["random", "tpe", "nsga2", "gp", "reinforce"])
def test_bounds_that_exclude_nothing_change_nothing(name: str) -> None:
    free, bounded = (
        controllers.make(name, space=ToySpace(), cost=cost, seed=3) for cost in (None, Wanting())
    )
    one, other = (search(lambda kept=kept: kept, trials=25)[0] for kept in (free, bounded))
    assert [trial.params for trial in one.trials] == [trial.params for trial in other.trials]


def test_a_sampler_is_asked_so_many_times() -> None:
    asked = 0

    class Counting(Wanting):
        def violation(self, architecture: Point) -> float:
            nonlocal asked
            asked += 1
            return super().violation(architecture)

    kept = controllers.make("random", space=ToySpace(), cost=Counting(width=128), seed=3)
    search(lambda: kept, trials=1)
    assert 144 < asked <= ASKED + 144  # then all there is


def test_without_a_space_nothing_is_bounded() -> None:
    study = optuna.create_study(sampler=controllers.make("random", cost=Wanting(x=1), seed=3))
    study.optimize(lambda trial: trial.suggest_categorical("x", [0, 1]), n_trials=20)
    assert {trial.params["x"] for trial in study.trials} == {0, 1}
