"""What Tune's trials were and came to: a study in memory that plain JSON holds whole. No Ray."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from controllers.record import ASKED_AFTER, REPEATS, TOLD
from nas.store import quiet

if TYPE_CHECKING:
    from nas.objective import Direction


class Record:
    """A study whose trials bear Tune's ids. A finished trial is never changed."""

    def __init__(
        self,
        directions: "Sequence[Direction]",
        distributions: Mapping[str, CategoricalDistribution],
    ) -> None:
        self._storage = InMemoryStorage()
        with quiet():
            self.study = optuna.create_study(storage=self._storage, directions=list(directions))
        self.study.set_user_attr(REPEATS, True)
        self._distributions = dict(distributions)
        self._numbers: dict[str, int] = {}  # by Tune's id

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials in order of their number."""
        return self.study.get_trials(deepcopy=False)

    def ask(self, sampler: optuna.samplers.BaseSampler) -> FrozenTrial:
        """A proposal of the sampler, running from now on."""
        self.study.sampler = sampler
        with quiet():
            trial = self.study.ask()
            self._storage.set_trial_system_attr(trial._trial_id, ASKED_AFTER, self._told)
            for name, distribution in self._distributions.items():
                trial.suggest_categorical(name, distribution.choices)
        return self._trial(trial.number)

    def name(self, number: int, trial_id: str) -> None:
        """Let a trial bear an id of Tune's."""
        self._numbers[trial_id] = number

    def awaits(self, trial_id: str) -> bool:
        """Whether a trial of this id has not gone to its end yet; one that failed may still do."""
        if trial_id not in self._numbers:
            return False
        return self._trial(self._numbers[trial_id]).state != TrialState.COMPLETE

    def complete(self, trial_id: str, values: Sequence[float]) -> None:
        """Tell finite values of a trial that went to its end."""
        self.finish(self._open(trial_id), TrialState.COMPLETE, values)

    def prune(self, trial_id: str, epoch: int, values: Sequence[float]) -> None:
        """Tell what a trial that was stopped early had come to after `epoch` epochs."""
        number = self._open(trial_id)
        if len(values) == 1:  # Optuna keeps none of several objectives
            self._storage.set_trial_intermediate_value(self._id(number), epoch, values[0])
        self.finish(number, TrialState.PRUNED, None)

    def fail(self, trial_id: str) -> None:
        """Tell that a trial has no values."""
        self.finish(self._open(trial_id), TrialState.FAIL, None)

    def finish(self, number: int, state: TrialState, values: Sequence[float] | None) -> None:
        """End a running trial by its number."""
        self._storage.set_trial_system_attr(self._id(number), TOLD, self._told + 1)
        with quiet():
            self.study.tell(number, None if values is None else list(values), state=state)

    def to_json(self) -> dict[str, Any]:
        """Only objects that JSON has; `take` reads them."""
        return {
            "trials": [_to_json(trial) for trial in self.trials],
            "numbers": dict(self._numbers),
        }

    def take(self, data: Mapping[str, Any]) -> None:
        """Fill an empty record with what `to_json` gave.

        Raises KeyError, TypeError or ValueError for what it never gives.
        """
        assert not self.trials, "a record is filled once"
        for each in data["trials"]:
            self._add(_from_json(each, self._distributions))
        for trial_id, number in data["numbers"].items():
            self._trial(number)
            self.name(number, trial_id)

    def _open(self, trial_id: str) -> int:
        """The number of a running trial; where Tune ran it again after its end, that of a copy."""
        known = self._trial(self._numbers[trial_id])
        if known.state.is_finished():
            asked = {ASKED_AFTER: known.system_attrs[ASKED_AFTER]}
            again = optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=known.params,
                distributions=known.distributions,
                system_attrs=asked,
            )
            self.name(self._add(again), trial_id)
        return self._numbers[trial_id]

    @property
    def _told(self) -> int:
        return sum(trial.state.is_finished() for trial in self.trials)

    def _add(self, trial: FrozenTrial) -> int:
        trial_id = self._storage.create_new_trial(self.study._study_id, template_trial=trial)
        return self._storage.get_trial_number_from_id(trial_id)

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)

    def _trial(self, number: int) -> FrozenTrial:
        return self._storage.get_trial(self._id(number))


def _to_json(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "params": trial.params,
        "values": trial.values,
        "epochs": {str(epoch): value for epoch, value in trial.intermediate_values.items()},
        "system": trial.system_attrs,
    }


def _from_json(
    data: Mapping[str, Any], distributions: Mapping[str, CategoricalDistribution]
) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=TrialState[data["state"]],
        params=data["params"],
        distributions=dict(distributions),
        values=data["values"],
        intermediate_values={int(epoch): value for epoch, value in data["epochs"].items()},
        system_attrs=data["system"],
    )
