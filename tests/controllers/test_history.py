"""The record as one trial may know it."""

import optuna
from optuna.trial import TrialState

from controllers.history import Reader
from controllers.record import ASKED_AFTER
from tests.controllers.simulated import OPTIONS, ToySpace, ask, new_study, tell

FIRST = {name: options[0] for name, options in OPTIONS.items()}
LAST = {name: options[-1] for name, options in OPTIONS.items()}
RANDOM = optuna.samplers.RandomSampler(seed=0)


def test_lessons_come_in_the_order_they_were_told_and_know_when_they_were_asked() -> None:
    study = new_study()
    trials = [ask(study, RANDOM, asked_after) for asked_after in (0, 0, 0)]
    for order, at in enumerate((2, 0), start=1):
        tell(study, trials[at], order, 0.5 + at / 10)
    trials.append(ask(study, RANDOM, asked_after=2))
    tell(study, trials[1], 3, 0.9)
    tell(study, trials[3], 4, 0.1)
    asking = ask(study, RANDOM, asked_after=4)
    history = Reader().history(study, study.trials[asking.number], ToySpace())
    assert [lesson.values for lesson in history.lessons] == [(0.7,), (0.5,), (0.9,), (0.1,)]
    assert [lesson.asked for lesson in history.lessons] == [0, 0, 0, 2]
    assert len(set(history.digests)) == 5
    assert history.pending == ()


def test_what_was_told_later_is_still_under_way() -> None:
    study = new_study()
    one, two = (ask(study, RANDOM, 0) for _ in range(2))
    tell(study, one, 1, 0.5)
    tell(study, two, 2, None)
    asking = ask(study, RANDOM, asked_after=1)
    history = Reader().history(study, study.trials[asking.number], ToySpace())
    assert len(history.lessons) == 1
    assert history.pending == (ToySpace().architecture(two.params),)
    later = ask(study, RANDOM, asked_after=2)
    history = Reader().history(study, study.trials[later.number], ToySpace())
    assert ToySpace().architecture(two.params) not in history.pending
    assert ToySpace().architecture(two.params).key in history.failed()


def test_enqueued_trials_are_known_before_they_run_and_nonsense_is_not() -> None:
    study = new_study()
    study.enqueue_trial(LAST)
    study.enqueue_trial(LAST | {"op": "nonsense"})
    study.enqueue_trial({"op": "conv"})
    study.add_trial(
        optuna.create_trial(params=FIRST, distributions=ToySpace().distributions(), value=0.3)
    )
    assert [trial.state for trial in study.trials[:3]] == [TrialState.WAITING] * 3
    study.add_trial(optuna.create_trial(state=TrialState.RUNNING, system_attrs={ASKED_AFTER: 0}))
    history = Reader().history(study, study.trials[-1], ToySpace())
    assert set(history.tries) == {ToySpace().architecture(each).key for each in (FIRST, LAST)}
    assert [lesson.drawn for lesson in history.lessons] == [True]


def test_objectives_to_minimise_are_turned() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trial(
        optuna.create_trial(
            params=FIRST, distributions=ToySpace().distributions(), values=[0.5, 2.0]
        )
    )
    study.add_trial(optuna.create_trial(state=TrialState.RUNNING))
    history = Reader().history(study, study.trials[-1], ToySpace())
    assert history.signs == (1.0, -1.0)
    assert history.lessons[0].values == (0.5, -2.0)
