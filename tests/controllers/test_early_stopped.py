"""What a controller makes of trials that did not reach the end."""

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

import controllers
from controllers.early_stopped import taught
from controllers.record import FAULT, RUNGS, TOLD

CHOICES = {name: CategoricalDistribution(tuple(range(20))) for name in "ab"}


def trial(told, state=TrialState.COMPLETE, values=None, rungs=(), fault=None, params=None):
    marks = {TOLD: told} | ({RUNGS: [[e, list(v)] for e, v in rungs]} if rungs else {})
    marks |= {FAULT: fault} if fault else {}
    return create_trial(
        state=state,
        values=values,
        params=params or {"a": told, "b": 0},
        distributions=CHOICES,
        system_attrs=marks,
    )


def values(trials, signs=(1.0,)):
    return [found for _, found in taught(trials, signs)]


def test_a_stopped_training_counts_for_what_others_gained_from_there():
    trials = [
        trial(1, values=[0.8], rungs=[(1, [0.5]), (3, [0.7])]),
        trial(2, TrialState.PRUNED, rungs=[(1, [0.4])]),
        trial(3, TrialState.PRUNED, rungs=[(1, [0.45]), (3, [0.6])]),
    ]
    first, second = (0.2 + 0.15) / 2, 0.1  # medians, to the second rung and to the end
    assert values(trials) == [
        (0.8,),
        pytest.approx((0.4 + first + second,)),
        pytest.approx((0.6 + second,)),
    ]


def test_a_gain_holds_until_twice_as_many_know_it():
    def gaining(told, gain):
        return trial(told, values=[0.5 + gain], rungs=[(1, [0.5])])

    stopped = trial(9, TrialState.PRUNED, rungs=[(1, [0.4])])
    trials = [gaining(1, 0.1), gaining(2, 0.3)]
    assert values([*trials, stopped])[-1] == pytest.approx((0.6,))
    assert values([*trials, gaining(3, 0.4), stopped])[-1] == pytest.approx((0.6,))
    four = [*trials, gaining(3, 0.4), gaining(4, 0.4)]
    assert values([*four, stopped])[-1] == pytest.approx((0.4 + 0.35,))


def test_before_any_gain_is_known_it_counts_as_it_was():
    assert values([trial(1, TrialState.PRUNED, rungs=[(1, [0.4])])]) == [(0.4,)]


def test_several_objectives_gain_each_their_own():
    trials = [
        trial(1, values=[0.8, 2.0], rungs=[(1, [0.5, 3.0])]),
        trial(2, TrialState.PRUNED, rungs=[(1, [0.4, 1.5])]),
    ]
    assert values(trials, (1.0, -1.0)) == [(0.8, -2.0), pytest.approx((0.7, -0.5))]


@pytest.mark.parametrize("fault", ["nan", "inf", "oom"])
def test_a_network_that_fails_by_itself_counts_as_the_worst_so_far(fault):
    trials = [
        trial(1, values=[0.8]),
        trial(2, values=[0.3]),
        trial(3, TrialState.FAIL, fault=fault),
        trial(4, values=[0.1]),
    ]
    assert values(trials) == [(0.8,), (0.3,), (0.3,), (0.1,)]


@pytest.mark.parametrize("fault", ["worker-died", "node-lost", "timeout", "exception", None])
def test_a_fault_of_the_machine_teaches_nothing(fault):
    assert values([trial(1, values=[0.8]), trial(2, TrialState.FAIL, fault=fault)]) == [(0.8,)]


def test_a_trial_that_was_never_trained_teaches_nothing():
    assert values([trial(1, TrialState.PRUNED)]) == []


@pytest.mark.parametrize("name", ["surrogate", "ppo", "evolution", "reinforce", "local_search"])
def test_no_stopped_training_is_the_one_to_take(name):
    study = optuna.create_study(direction="maximize")
    study.add_trial(trial(1, values=[0.5], rungs=[(1, [0.1])], params={"a": 1, "b": 1}))
    study.add_trial(trial(2, TrialState.PRUNED, rungs=[(1, [0.9])], params={"a": 2, "b": 2}))
    assert controllers.make(name).incumbent(study) == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("name", "options"),
    [("surrogate", {}), ("ppo", {}), ("evolution", {"population": 8, "tournament": 4})],
)
def test_networks_that_were_stopped_guide_the_search(name, options):
    """Half of the trainings end early; the search still finds where values are high."""

    def worth(params):
        return 1.0 - (abs(params["a"] - 14) + abs(params["b"] - 3)) / 30

    def search(sampler):
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for number in range(40):
            asked = study.ask(CHOICES)
            value = worth(asked.params)
            marks = [[1, [value - 0.3]]]
            study._storage.set_trial_system_attr(asked._trial_id, RUNGS, marks)
            if number % 2:
                study.tell(asked, state=TrialState.PRUNED)
            else:
                study.tell(asked, value)
        return np.mean([worth(each.params) for each in study.trials[20:]])

    found = search(controllers.make(name, seed=0, **options))
    assert found > search(controllers.make("random", seed=0)) + 0.1
