"""Controllers in studies that the platform did not make: other pruners and seeds."""

import pickle
from typing import Any

import numpy as np
import optuna
import pytest

import controllers
from tests.controllers.simulated import OPTIONS, ToySpace, accuracy, search

every_controller = pytest.mark.parametrize("name", controllers.names())


@every_controller
@pytest.mark.parametrize("space", [None, ToySpace()])
def test_a_pruner_of_several_brackets(name: str, space: ToySpace | None) -> None:
    def objective(trial: optuna.Trial) -> float:
        found = {name: trial.suggest_categorical(name, each) for name, each in OPTIONS.items()}
        trial.report(accuracy(found), 1)
        if trial.should_prune():
            raise optuna.TrialPruned
        return accuracy(found)

    study = optuna.create_study(
        direction="maximize",
        sampler=controllers.make(name, space=space, seed=1),
        pruner=optuna.pruners.HyperbandPruner(1, 9, 3),
    )
    study.optimize(objective, n_trials=14)
    assert len(study.trials) == 14


@every_controller
def test_integers_of_numpy_are_seeds(name: str) -> None:
    def proposals(seed: Any) -> list[dict[str, Any]]:
        kept = controllers.make(name, space=ToySpace(), seed=seed)
        return [trial.params for trial in search(lambda: kept, trials=4)[0].trials]

    assert proposals(np.int64(7)) == proposals(7)


@every_controller
def test_a_pickled_controller_goes_on(name: str) -> None:
    kept = controllers.make(name, space=ToySpace(), seed=3)
    search(lambda: kept, trials=14)
    copy = pickle.loads(pickle.dumps(kept))
    one, _ = search(lambda: kept, trials=14)
    other, _ = search(lambda: copy, trials=14)
    assert [trial.params for trial in one.trials] == [trial.params for trial in other.trials]
