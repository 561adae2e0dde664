"""The order in which a search learnt things: the record that a resumed search replays."""

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

TOLD = "nas:told"
"""System attribute of a finished trial: 1, 2, 3... in the order in which results came in."""

ASKED_AFTER = "nas:asked_after"
"""System attribute of every trial: the last `TOLD` when it was proposed."""

AGAIN = "nas:again"
"""System attribute of a trial whose network was trained before: it is to be trained once more."""

REPEATS = "nas:repeats"
"""User attribute of a study in which a trial that carries `AGAIN` shows another training."""

TRAININGS = 3
"""Of one architecture, at most."""

RUNGS = "nas:rungs"
"""System attribute of a trial that was compared with others before its end: [epochs, values] of
each time, values as they are told. A pruned trial that has it was trained so far; one that has not
was never trained."""

FAULT = "nas:fault"
"""System attribute of a failed trial: why, in a word."""

OWN_FAULTS = ("nan", "inf", "oom")
"""Faults that a network brings about itself, and would again."""

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)

FIXED = "fixed_params"
"""System attribute that Optuna gives to enqueued trials: no sampler drew their parameters."""


def asking(study: Study, trial: FrozenTrial) -> FrozenTrial:
    """The trial that asks as its record has it now: what Optuna hands over is of its beginning."""
    return study._storage.get_trial(trial._trial_id)


def told(study: Study, by: FrozenTrial | None = None) -> list[FrozenTrial]:
    """The completed trials in the order they were told, up to what the trial `by` could know.

    Failed and pruned trials are left out, as in Optuna's own samplers: a fault of the machine says
    nothing about an architecture, and the value of a trial that was cut short does not compare
    with a full one.
    """
    return [trial for trial in known(study, by) if trial.state == TrialState.COMPLETE]


def known(study: Study, by: FrozenTrial | None = None) -> list[FrozenTrial]:
    """The finished trials, failed ones too, in the order they were told up to what `by` could know.

    Trials without the attribute (a plain Optuna study, or results added before the search) come
    first, in order of their numbers.
    """
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    ordered = sorted(trials, key=lambda trial: (_told(trial), trial.number))
    if by is None or ASKED_AFTER not in by.system_attrs:
        return ordered
    last: int = by.system_attrs[ASKED_AFTER]
    return [trial for trial in ordered if _told(trial) <= last]


def _told(trial: FrozenTrial) -> int:
    order: int = trial.system_attrs.get(TOLD, 0)
    return order
