"""Of a study with several objectives, the architectures that a controller would hand over."""

import numpy as np
import optuna
import pytest

import controllers
from controllers.errors import ControllerError
from controllers.from_record import FromRecord
from controllers.record import RUNGS
from nas.pareto import hypervolume
from tests.controllers.simulated import OPTIONS, ToyCost, ToySpace, accuracy

DIRECTIONS = ("maximize", "minimize")
SPACE, COST = ToySpace(), ToyCost(objectives=2)
OURS = ("evolution", "surrogate", "ppo")


def made(name: str, cost: ToyCost = COST) -> FromRecord:
    found = controllers.make(name, space=SPACE, cost=cost, seed=0)
    assert isinstance(found, FromRecord)
    return found


def told(seed: int, noise: float, trials: int = 60) -> optuna.Study:
    rng = np.random.default_rng(seed)
    study = optuna.create_study(
        directions=DIRECTIONS, sampler=optuna.samplers.RandomSampler(seed=seed)
    )
    for _ in range(trials):
        trial = study.ask(SPACE.distributions())
        shown = accuracy(trial.params) + noise * float(rng.standard_normal())
        study.tell(trial, (shown, COST(SPACE.architecture(trial.params))))
    return study


def keys(choices: list[dict[str, object]]) -> set[str]:
    return {SPACE.architecture(each).key for each in choices}


def volume(choices: list[dict[str, object]]) -> float:
    points = [(accuracy(each), COST(SPACE.architecture(each))) for each in choices]
    return hypervolume([p for p in points if p[0] > 0 and p[1] < 5], DIRECTIONS, (0.0, 5.0))


@pytest.mark.parametrize("name", OURS)
def test_without_noise_it_is_the_front_of_what_was_shown(name: str) -> None:
    study = told(seed=0, noise=0.0, trials=40)
    shown = {(accuracy(trial.params), trial.values[1]) for trial in study.best_trials}
    front = [dict(each) for each in made(name).front(study)]
    assert len(keys(front)) == len(front)
    if name == "evolution":
        assert keys(front) == keys([trial.params for trial in study.best_trials])
    found = {(accuracy(each), COST(SPACE.architecture(each))) for each in front}
    assert shown <= found
    assert len(found) <= len(shown) + 2, "what is beaten has no place on it"


@pytest.mark.parametrize("name", ["surrogate", "ppo"])
def test_with_noise_it_is_better_than_the_front_of_what_was_shown(name: str) -> None:
    gains = []
    for seed in range(6):
        study = told(seed, noise=0.3)
        believed = [dict(each) for each in made(name).front(study)]
        gains.append(volume(believed) - volume([trial.params for trial in study.best_trials]))
    assert np.mean(gains) > 0.05
    assert np.median(gains) > 0


@pytest.mark.parametrize("name", OURS)
def test_nothing_beyond_the_bounds_is_handed_over(name: str) -> None:
    front = made(name, ToyCost(objectives=2, bound_ms=2.0)).front(told(seed=0, noise=0.1))
    assert {each["width"] for each in front} == {16, 32}


@pytest.mark.parametrize("name", OURS)
def test_what_was_stopped_early_hides_nothing_that_was_trained(name: str) -> None:
    study = told(seed=0, noise=0.0, trials=40)
    before = keys([dict(each) for each in made(name).front(study)])
    best = {name: options[-1] for name, options in OPTIONS.items()} | {"width": 16}
    study.add_trial(
        optuna.create_trial(
            state=optuna.trial.TrialState.PRUNED,
            params=best,
            distributions=dict(SPACE.distributions()),
            system_attrs={RUNGS: [[1, [2.0, 0.5]]]},
        )
    )
    after = keys([dict(each) for each in made(name).front(study)])
    assert SPACE.architecture(best).key not in after
    assert len(before & after) >= len(before) - 1


def test_an_unscreened_policy_goes_by_what_was_shown() -> None:
    study = told(seed=0, noise=0.3)
    plain = controllers.make("ppo", space=SPACE, cost=COST, seed=0, screening=False)
    assert isinstance(plain, FromRecord)
    found = [dict(each) for each in plain.front(study)]
    assert keys(found) == keys([trial.params for trial in study.best_trials])


def test_where_nothing_was_told_there_is_none() -> None:
    with pytest.raises(ControllerError, match="no trial with finite values was told yet"):
        made("surrogate").front(optuna.create_study(directions=DIRECTIONS))
