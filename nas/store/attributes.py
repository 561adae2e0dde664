"""Names of what a trial's row holds beside its parameters and values, and what they mean."""

from optuna.trial import FrozenTrial, TrialState

from controllers.record import RUNGS

Rung = tuple[int, tuple[float, ...]]
"""Epochs, and what a network was worth after them, as it is told."""

STARTED = "nas:started"
"""User attribute of a network that the search begins with: itself, beyond its parameters."""

FACTS = "nas:facts"
"""User attribute of a finished trial: everything known of it, JSON."""

CONSTRAINT = "constraints:"
"""Optuna's mark of what a trial may not exceed, before its name: a system attribute."""

CONTINUES = "nas:continues"
"""User attribute of a trial that takes up the training of an earlier one: {"trial": its number}."""


def is_declined(trial: FrozenTrial) -> bool:
    """Whether the trial was pruned before any training."""
    return trial.state == TrialState.PRUNED and RUNGS not in trial.system_attrs


def is_counted(trial: FrozenTrial) -> bool:
    """Whether the trial is one of those that a search is asked for."""
    return not is_declined(trial) and CONTINUES not in trial.user_attrs
