"""What a search holds: a study in memory to ask on, and the same study in its database."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from controllers.record import AGAIN, ASKED_AFTER, FAULT, FIXED, REPEATS, RUNGS, TOLD
from nas.objective import Direction
from nas.store import opening
from nas.store.attributes import (
    CONSTRAINT,
    CONTINUES,
    FACTS,
    STARTED,
    Rung,
    is_counted,
    is_declined,
)
from nas.store.backoff import Backoff
from nas.store.quiet import quiet


class Store:
    """One study, in memory to ask on and in the database to keep; numbers in both are equal.

    Where the database takes nothing (DiskFull, Unwritable), the same call may be made again and
    then does what it would have done: nothing is proposed or told twice.

    Not thread-safe; one driver holds it under the run's lock.
    """

    def __init__(
        self,
        url: str,
        study_name: str,
        directions: Sequence[Direction],
        *,
        create: bool = True,
        backoff: Backoff | None = None,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """Opens the study; if there is none of this name, creates it or raises UserError."""
        self._now = now
        given = directions if create else None
        self._kept = opening.kept(url, study_name, given, backoff or Backoff())
        self._memory = InMemoryStorage()
        self._begun: FrozenTrial | None = None  # in memory, and not in the database yet
        try:
            with quiet():
                self.study = optuna.create_study(
                    storage=self._memory, study_name=study_name, directions=list(directions)
                )
            self._memory_id = self._memory.get_study_id_from_name(study_name)
            self.study.set_user_attr(REPEATS, True)
            for trial in self._kept.trials():
                self._memory.create_new_trial(self._memory_id, template_trial=trial)
        except BaseException:
            self._kept.close()
            raise

    def close(self) -> None:
        """Lets go of the database; what was written stays."""
        self._kept.close()

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials that the database has, in order of their number."""
        known = self._memory.get_all_trials(self._memory_id, deepcopy=False)
        return known if self._begun is None else known[:-1]

    @property
    def told(self) -> int:
        """How many outcomes were told so far."""
        return sum(trial.state.is_finished() for trial in self.trials)

    @property
    def declined(self) -> int:
        """How many trials were not trained."""
        return sum(map(is_declined, self.trials))

    @property
    def asked(self) -> int:
        """How many networks are or were to be trained, each once however often it was taken up."""
        return sum(map(is_counted, self.trials))

    @property
    def ended(self) -> int:
        """How many of these have ended, or were stopped for now."""
        return sum(is_counted(trial) and trial.state.is_finished() for trial in self.trials)

    @property
    def started(self) -> int:
        """How many networks the search began with so far."""
        marks = (trial.user_attrs for trial in self.trials)
        return sum(STARTED in marked and CONTINUES not in marked for marked in marks)

    def ask(
        self,
        sampler: optuna.samplers.BaseSampler,
        distributions: Mapping[str, CategoricalDistribution],
    ) -> FrozenTrial:
        """A proposal of the sampler, already written to the database as running."""
        if self._begun is None:
            self.study.sampler = sampler
            with quiet():
                trial = self.study.ask()
                memory_id = self._trial_id(trial.number)
                self._memory.set_trial_system_attr(memory_id, ASKED_AFTER, self.told)
                for name, distribution in distributions.items():
                    trial.suggest_categorical(name, distribution.choices)
            self._begun = self._memory.get_trial(memory_id)
        return self._begin(self._begun)

    def start(
        self,
        parameters: Mapping[str, Any],
        distributions: Mapping[str, CategoricalDistribution],
        started: Mapping[str, Any],
    ) -> FrozenTrial:
        """A trial that nobody proposed, already written to the database as running.

        `started` (strict JSON) says what it is about; samplers see the parameters alone.
        """
        if self._begun is None:
            template = optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=dict(parameters),
                distributions=dict(distributions),
                user_attrs={STARTED: dict(started)},
                system_attrs={ASKED_AFTER: self.told, FIXED: dict(parameters)},
            )
            self._begun = self._made(template)
        return self._begin(self._begun)

    def promote(self, earlier: FrozenTrial) -> FrozenTrial:
        """A trial that takes up one that was stopped, already written as running."""
        if self._begun is None:
            kept = {k: v for k, v in earlier.system_attrs.items() if k in (RUNGS, AGAIN)}
            began = {k: v for k, v in earlier.user_attrs.items() if k == STARTED}
            template = optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=earlier.params,
                distributions=earlier.distributions,
                user_attrs={**began, CONTINUES: {"trial": earlier.number}},
                system_attrs={**kept, ASKED_AFTER: self.told, FIXED: earlier.params},
            )
            self._begun = self._made(template)
        return self._begin(self._begun)

    def compare(self, number: int, rungs: Sequence[Rung]) -> None:
        """Keeps what a trial under way was worth at the rungs it came to."""
        steps: Any = [[epochs, list(values)] for epochs, values in rungs]
        single = len(self.study.directions) == 1  # Optuna's samplers and plots know these
        reports = {epochs: values[0] for epochs, values in rungs} if single else {}
        self._kept.note(number, {RUNGS: steps}, reports)
        memory_id = self._trial_id(number)
        self._memory.set_trial_system_attr(memory_id, RUNGS, steps)
        for epochs, value in reports.items():
            self._memory.set_trial_intermediate_value(memory_id, epochs, value)

    def complete(
        self,
        number: int,
        facts: Mapping[str, Any],
        values: Sequence[float],
        constraints: Mapping[str, float],
    ) -> None:
        """Tells finite objective values of a trial and keeps its facts (strict JSON).

        constraints: by name, above 0 where the trial is beyond a bound of the search.
        """
        self._finish(number, facts, TrialState.COMPLETE, list(values), constraints)

    def prune(
        self, number: int, facts: Mapping[str, Any], constraints: Mapping[str, float]
    ) -> None:
        """Tells that a trial was not trained, or not to the end."""
        self._finish(number, facts, TrialState.PRUNED, None, constraints)

    def fail(self, number: int, facts: Mapping[str, Any], reason: str = "exception") -> None:
        """Tells that a trial has no values, and why, in a word."""
        self._finish(number, facts, TrialState.FAIL, None, {}, {FAULT: reason})

    def _made(self, template: FrozenTrial) -> FrozenTrial:
        """A trial that no sampler proposed, in memory."""
        memory_id = self._memory.create_new_trial(self._memory_id, template_trial=template)
        return self._memory.get_trial(memory_id)

    def _begin(self, trial: FrozenTrial) -> FrozenTrial:
        self._kept.begin(trial)
        self._begun = None
        return trial

    def _finish(
        self,
        number: int,
        facts: Mapping[str, Any],
        state: TrialState,
        values: list[float] | None,
        constraints: Mapping[str, float],
        marks: Mapping[str, str] | None = None,
    ) -> None:
        # In the order in which a database gives them back: samplers go by their places.
        told: dict[str, Any] = {CONSTRAINT + k: value for k, value in sorted(constraints.items())}
        told |= marks or {}
        told[TOLD] = self.told + 1
        self._kept.finish(number, state, values, {FACTS: dict(facts)}, told, self._now())
        memory_id = self._trial_id(number)
        self._memory.set_trial_user_attr(memory_id, FACTS, dict(facts))
        for name, value in told.items():
            self._memory.set_trial_system_attr(memory_id, name, value)
        with quiet():
            self.study.tell(number, values, state=state)

    def _trial_id(self, number: int) -> int:
        return self._memory.get_trial_id_from_study_id_trial_number(self._memory_id, number)
