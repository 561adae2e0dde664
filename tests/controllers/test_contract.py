"""What every controller in the table promises, and the platform's resume relies on."""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

import controllers
from tests.controllers.simulated import (
    OPTIONS,
    ToyCost,
    ToySpace,
    accuracy,
    ask,
    fingerprint,
    replayed,
    search,
)

# 30 proposals with seed 7 and one worker. A change here changes what users' seeds mean.
GOLDEN = {
    "random": "f017e623077602ed",
    "tpe": "9855a3840cc59ff7",
    "nsga2": "9670a661f3c777e7",
    "gp": "260e7830183e8bba",
    "local_search": "b36505274fc61e1c",
    "evolution": "a3068abfe4cb7f9b",
    "reinforce": "1001776b2472489b",
    "surrogate": "ac1c54fee6707161",
    "ppo": "d18b043fb9c7d12f",
}

pytestmark = pytest.mark.filterwarnings("ignore:The value nan is not acceptable")

every_controller = pytest.mark.parametrize("name", controllers.names())


def maker(name: str, seed: int = 7) -> Callable[[], BaseSampler]:
    return lambda: controllers.make(name, space=ToySpace(), seed=seed)


@every_controller
def test_same_seed_same_proposals(name: str) -> None:
    study, _ = search(maker(name), trials=30)
    assert fingerprint(study) == GOLDEN[name]


@every_controller
def test_another_seed_gives_other_proposals(name: str) -> None:
    study, _ = search(maker(name, seed=8), trials=30)
    assert fingerprint(study) != GOLDEN[name]


@every_controller
def test_a_kept_sampler_proposes_what_new_ones_do(name: str) -> None:
    kept = maker(name)()
    study, _ = search(lambda: kept, trials=30)
    assert fingerprint(study) == GOLDEN[name]


def test_same_proposals_in_another_process() -> None:
    """Another process, other string hashes, other threads, other global random state."""
    code = """
import random, controllers, numpy, torch
from tests.controllers.simulated import ToySpace, fingerprint, search
torch.set_num_threads(2)
for name in controllers.names():
    random.seed(1), numpy.random.seed(1), torch.manual_seed(1)
    kept = controllers.make(name, space=ToySpace(), seed=7)
    print(name, fingerprint(search(lambda: kept, trials=30)[0]))
"""
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONHASHSEED": "3", "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert dict(line.split() for line in done.stdout.splitlines()) == GOLDEN


@every_controller
@pytest.mark.parametrize("workers", [1, 3])
def test_replayed_record_gives_the_same_next_proposal(name: str, workers: int) -> None:
    """Results out of order, some failed: at each point the next proposal is that of a fresh copy
    of the record, from a new sampler, and from one that has served another study."""
    study, before = search(maker(name), trials=36, workers=workers, value=sometimes_failing)
    used = maker(name)()
    other = optuna.create_study(direction="minimize", sampler=used)
    other.enqueue_trial(study.trials[0].params)
    for _ in range(14):
        trial = other.ask(ToySpace().distributions())
        other.tell(trial, accuracy(trial.params))
    for number in (0, 1, 9, 17, 28, 35):
        recorded = study.trials[number]
        asked_after = recorded.system_attrs["nas:asked_after"]
        for sampler in (maker(name)(), used):
            copy = replayed(before[number])
            assert ask(copy, sampler, asked_after).params == recorded.params


@every_controller
def test_proposals_are_complete_and_valid(name: str) -> None:
    kept = maker(name)()
    study, _ = search(lambda: kept, trials=40, workers=2)
    for trial in study.trials:
        assert list(trial.params) == list(OPTIONS)
        assert all(trial.params[decision] in options for decision, options in OPTIONS.items())
        assert ToySpace().architecture(trial.params).key


@every_controller
def test_failed_and_nan_trials_are_survived(name: str) -> None:
    kept = maker(name)()
    study, _ = search(lambda: kept, trials=40, value=sometimes_failing)
    states = [trial.state for trial in study.trials[:-1]]
    assert states.count(TrialState.FAIL) == 13
    assert states.count(TrialState.COMPLETE) == 26


@every_controller
def test_a_search_where_everything_failed_goes_on(name: str) -> None:
    study, _ = search(maker(name), trials=15, value=lambda number, params: None)
    assert len({str(trial.params) for trial in study.trials}) > 5


@every_controller
def test_infinite_values_are_survived(name: str) -> None:
    def value(number: int, params: Mapping[str, Any]) -> float:
        return math.inf if number % 4 == 0 else -math.inf if number % 4 == 1 else accuracy(params)

    kept = maker(name)()
    study, _ = search(lambda: kept, trials=40, value=value)
    assert all(trial.params.keys() == OPTIONS.keys() for trial in study.trials)


@pytest.mark.parametrize(
    ("name", "objectives"),
    [
        *((name, 1) for name in ("local_search", "evolution", "reinforce", "surrogate", "ppo")),
        *((name, 2) for name in ("evolution", "surrogate", "ppo")),
    ],
)
@pytest.mark.parametrize("mostly_lowest", [False, True])
def test_finite_values_may_be_huge(name: str, objectives: int, mostly_lowest: bool) -> None:
    """1e308 is what some tell for a failure; a search goes on, and keeps looking around."""
    rng, space = np.random.default_rng(0), ToySpace()
    directions = ["maximize", "minimize"][:objectives]
    study = optuna.create_study(directions=directions, sampler=maker(name)())
    for number in range(30):
        trial = study.ask(space.distributions())
        value = accuracy(trial.params) if mostly_lowest else 1e200 * rng.normal()
        if mostly_lowest and number % 3:
            value = -1e308
        study.tell(trial, [value, -value][:objectives])
    keys = {space.architecture(trial.params).key for trial in study.trials}
    assert len(keys) > 15


@every_controller
def test_plain_optuna_study_with_numbers(name: str) -> None:
    """As `sampler=` of a study that never heard of the platform."""

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -1, 1)
        n = trial.suggest_int("n", 1, 100, log=True)
        return x**2 + abs(n - 10) / 100 + (trial.suggest_categorical("c", ["a", "b"]) == "a")

    values = []
    for _ in range(2):
        study = optuna.create_study(sampler=controllers.make(name, seed=3))
        study.optimize(objective, n_trials=25)
        values.append([trial.value for trial in study.trials])
    assert values[0] == values[1]
    assert len(set(values[0])) > 10


@pytest.mark.parametrize("name", ["evolution", "local_search", "surrogate", "ppo"])
@pytest.mark.parametrize("workers", [1, 3])
def test_nothing_is_proposed_twice_while_anything_is_left(name: str, workers: int) -> None:
    """The toy space has 144 networks: so many proposals are so many networks, failed ones too."""
    kept = maker(name)()
    study, _ = search(lambda: kept, trials=146, workers=workers, value=sometimes_failing)
    keys = [ToySpace().architecture(trial.params).key for trial in study.trials]
    assert len(set(keys[:144])) == 144
    assert set(keys[144:]) <= set(keys[:144])


@every_controller
@pytest.mark.parametrize("bounded", [False, True])
def test_decisions_that_a_user_fixed_are_kept(name: str, bounded: bool) -> None:
    cost = ToyCost(bound_ms=2.0) if bounded else None
    kept = controllers.make(name, space=ToySpace(), cost=cost, seed=1)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        sampler = optuna.samplers.PartialFixedSampler({"op": "shuffle"}, kept)
    study, _ = search(lambda: sampler, trials=15)
    assert {trial.params["op"] for trial in study.trials} == {"shuffle"}


@dataclass(frozen=True)
class Spelling:
    """Choices for a network that others stand for too."""

    choices: tuple[tuple[str, Any], ...]
    key: str = field(compare=False)


class Spelled(ToySpace):
    """Whether there is attention and which width of two makes no other network."""

    def architecture(self, choices: Mapping[str, Any]) -> Any:
        point = super().architecture(choices)
        same = {"attention": False, "width": max(32, choices["width"])}
        return Spelling(point.choices, super().architecture({**choices, **same}).key)


@every_controller
def test_equal_networks_by_other_choices_are_replayed_too(name: str) -> None:
    def fresh() -> BaseSampler:
        return controllers.make(name, space=Spelled(), seed=4)

    kept = fresh()
    study, before = search(lambda: kept, trials=32)
    for number in (12, 18, 24, 31):
        trial = study.trials[number]
        asked = ask(replayed(before[number]), fresh(), trial.system_attrs["nas:asked_after"])
        assert asked.params == trial.params


LEARNING = ["tpe", "nsga2", "reinforce", "evolution", "surrogate", "ppo"]


@pytest.mark.parametrize("name", LEARNING)
def test_learning_controllers_beat_their_own_start(name: str) -> None:
    gains = [gain(maker(name, seed)()) for seed in range(4)]
    assert min(gains) > 0
    assert sum(gains) / 4 > 0.1


def gain(sampler: BaseSampler) -> float:
    """How far the mean of the last 20 trials is over that of the first 10.

    Who proposes nothing twice runs out of good architectures: there are 144 in all. Who repeats
    itself needs longer.
    """
    last = {"tpe": 80, "nsga2": 80, "reinforce": 160}.get(str(sampler), 40)
    study, _ = search(lambda: sampler, trials=last)
    values = [accuracy(trial.params) for trial in study.trials]
    return sum(values[-20:]) / 20 - sum(values[:10]) / 10


def sometimes_failing(number: int, params: Mapping[str, Any]) -> float | None:
    if number % 3 == 2:
        return math.nan if number % 2 else None
    return accuracy(params)
