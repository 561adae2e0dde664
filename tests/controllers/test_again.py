"""The best architectures are trained once more where that tells more than a new one would."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pytest

import controllers
from controllers.record import AGAIN, REPEATS, TRAININGS
from tests.controllers import simulated
from tests.controllers.simulated import OPTIONS, ToyCost, ToySpace, accuracy, ask, replayed, search
from tests.controllers.test_bounds import Wanting

KEYS = ToySpace().architecture

both = pytest.mark.parametrize("name", ["surrogate", "ppo"])


def noisy(number: int, params: Mapping[str, Any]) -> float:
    return accuracy(params) + 0.1 * float(np.random.default_rng(number).standard_normal())


@pytest.fixture
def repeating(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies in which two trainings of a network are told apart."""

    def made() -> optuna.Study:
        study = optuna.create_study(direction="maximize")
        study.set_user_attr(REPEATS, True)
        return study

    monkeypatch.setattr(simulated, "new_study", made)


def attributes(study: optuna.Study, trial: optuna.Trial) -> dict[str, Any]:
    return study.get_trials(deepcopy=False)[trial.number].system_attrs


def searched(name: str, trials: int = 60, **options: Any) -> optuna.Study:
    kept = controllers.make(name, space=ToySpace(), seed=2)
    return search(lambda: kept, trials=trials, **options)[0]


@both
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.usefixtures("repeating")
def test_what_is_trained_again_was_told_and_carries_the_mark(name: str, workers: int) -> None:
    study = searched(name, value=noisy, workers=workers)
    told: Counter[str] = Counter()
    again = 0
    for trial in study.trials:
        key = KEYS(trial.params).key
        assert trial.system_attrs.get(AGAIN, False) == (key in told)
        again += key in told
        told[key] += 1
    assert again > 3
    assert max(told.values()) <= TRAININGS
    best = [count for key, count in told.items() if count > 1]
    assert len(best) > 1  # doubts go from one to the next


@both
def test_without_a_word_of_the_study_nothing_is_trained_twice(name: str) -> None:
    study = searched(name, value=noisy)
    assert max(Counter(KEYS(trial.params).key for trial in study.trials).values()) == 1
    assert not any(AGAIN in trial.system_attrs for trial in study.trials)


@both
@pytest.mark.usefixtures("repeating")
def test_proposals_that_repeat_are_replayed(name: str) -> None:
    kept = controllers.make(name, space=ToySpace(), seed=2)
    study, before = search(lambda: kept, trials=50, value=noisy)
    marked = [trial.number for trial in study.trials if AGAIN in trial.system_attrs]
    for number in (*marked[:3], 30, 49):
        recorded = study.trials[number]
        copy = replayed(before[number])
        copy.set_user_attr(REPEATS, True)
        fresh = controllers.make(name, space=ToySpace(), seed=2)
        asked = ask(copy, fresh, recorded.system_attrs["nas:asked_after"])
        assert asked.params == recorded.params
        assert attributes(copy, asked).get(AGAIN) == recorded.system_attrs.get(AGAIN)


@pytest.mark.usefixtures("repeating")
def test_trainings_without_noise_are_hardly_repeated() -> None:
    study = searched("surrogate", trials=40)
    assert sum(AGAIN in trial.system_attrs for trial in study.trials) <= 2


@both
@pytest.mark.usefixtures("repeating")
def test_a_training_that_fails_again_and_again_is_given_up(name: str) -> None:
    seen: Counter[str] = Counter()

    def failing(number: int, params: Mapping[str, Any]) -> float | None:
        key = KEYS(params).key
        seen[key] += 1
        return noisy(number, params) if seen[key] == 1 else None

    study = searched(name, value=failing)
    assert any(AGAIN in trial.system_attrs for trial in study.trials)
    assert max(seen.values()) <= TRAININGS


@pytest.mark.usefixtures("repeating")
def test_nothing_beyond_the_bounds_is_trained_again() -> None:
    cost = ToyCost(bound_ms=2.0)
    kept = controllers.make("surrogate", space=ToySpace(), cost=cost, seed=2)
    study = simulated.new_study()
    study.sampler = kept
    wide = {name: options[-1] for name, options in OPTIONS.items()}
    for number in range(40):
        if number < 3:
            study.enqueue_trial(wide | {"depth": number + 1})
        trial = study.ask(ToySpace().distributions())
        study.tell(trial, noisy(number, trial.params))
    found = [trial.params["width"] for trial in study.trials if AGAIN in trial.system_attrs]
    assert found
    assert max(found) < 64


@pytest.mark.usefixtures("repeating")
def test_where_little_is_left_nothing_is_proposed_again_without_a_mark() -> None:
    cost = Wanting(width=64, op="shuffle", attention=True)
    kept = controllers.make("surrogate", space=ToySpace(), cost=cost, seed=2, startup=4)
    study, _ = search(lambda: kept, trials=20, value=noisy)
    keys = [KEYS(trial.params).key for trial in study.trials]
    repeated = [key in keys[:number] for number, key in enumerate(keys)]
    assert [AGAIN in trial.system_attrs for trial in study.trials] == repeated
    assert sum(repeated) >= 8  # there are twelve networks within the bounds
