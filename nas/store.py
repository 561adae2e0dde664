"""The record of a search: an Optuna study in a database, asked on in memory, written by one driver.

Asking on the database costs a commit per decision, so proposals are made on an in-memory study
loaded from it. A trial reaches the database in one transaction before its work is given out, and
its outcome as one attribute, its place in the told order and one state write. After a crash the
database wins.
"""

import contextlib
import re
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from controllers.record import AGAIN, ASKED_AFTER, FAULT, FIXED, REPEATS, RUNGS, TOLD
from nas.errors import UserError
from nas.objective import Direction

if TYPE_CHECKING:
    from sqlalchemy import Engine

STARTED = "nas:started"  # of a network that the search begins with: itself, beyond its parameters
CONSTRAINT = "constraints:"  # Optuna's mark of what a trial may not exceed, before its name
CONTINUES = "nas:continues"  # of a trial that takes up the training of an earlier one
FACTS = "nas:facts"  # everything known of one finished trial, JSON

Rung = tuple[int, tuple[float, ...]]  # epochs, and what a network was worth after them

_SECRET = re.compile(r"([?&][a-z]*password=)[^&]*")
_SQLITE = "sqlite:///"
_PATIENCE_S = 60.0  # how long a file that somebody else writes is waited for
_SQLITE_HEADER = b"SQLite format 3\x00"


class Store:
    """One study, in memory to ask on and in the database to keep; numbers in both are equal.

    Not thread-safe; one driver holds it under the run's lock.
    """

    def __init__(
        self, url: str, study_name: str, directions: Sequence[Direction], *, create: bool = True
    ) -> None:
        """Opens the study; if there is none of this name, creates it or raises UserError."""
        self._kept = _storage(url, reading=not create)
        self._study_id = _study_id(self._kept, study_name, directions if create else None)
        self._memory = InMemoryStorage()
        with quiet():
            self.study = optuna.create_study(
                storage=self._memory, study_name=study_name, directions=list(directions)
            )
        self._memory_id = self._memory.get_study_id_from_name(study_name)
        self.study.set_user_attr(REPEATS, True)
        for trial in self._kept.get_all_trials(self._study_id, deepcopy=False):
            self._memory.create_new_trial(self._memory_id, template_trial=trial)

    def close(self) -> None:
        """Lets go of the database; what was written stays."""
        self._kept.engine.dispose()

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials in order of their number."""
        return self._memory.get_all_trials(self._memory_id, deepcopy=False)

    @property
    def told(self) -> int:
        """How many outcomes were told so far."""
        return sum(trial.state.is_finished() for trial in self.trials)

    @property
    def declined(self) -> int:
        """How many trials were not trained."""
        return sum(is_declined(trial) for trial in self.trials)

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
        return sum(STARTED in t.user_attrs and is_counted(t) for t in self.trials)

    def ask(
        self,
        sampler: optuna.samplers.BaseSampler,
        distributions: Mapping[str, CategoricalDistribution],
    ) -> FrozenTrial:
        """A proposal of the sampler, already written to the database as running."""
        self.study.sampler = sampler
        with quiet():
            trial = self.study.ask()
            memory_id = self._trial_id(trial.number)
            self._memory.set_trial_system_attr(memory_id, ASKED_AFTER, self.told)
            for name, distribution in distributions.items():
                trial.suggest_categorical(name, distribution.choices)
        proposal = self._memory.get_trial(memory_id)
        kept_id = self._kept.create_new_trial(self._study_id, template_trial=proposal)
        assert kept_id == self._kept_id(proposal.number), "numbers in memory and database differ"
        return proposal

    def start(
        self,
        parameters: Mapping[str, Any],
        distributions: Mapping[str, CategoricalDistribution],
        started: Mapping[str, Any],
    ) -> FrozenTrial:
        """A trial that nobody proposed, already written to the database as running.

        `started` (strict JSON) says what it is about; samplers see the parameters alone.
        """
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=dict(parameters),
            distributions=dict(distributions),
            user_attrs={STARTED: dict(started)},
            system_attrs={ASKED_AFTER: self.told, FIXED: dict(parameters)},
        )
        return self._begun(template)

    def promote(self, earlier: FrozenTrial) -> FrozenTrial:
        """A trial that takes up one that was stopped, already written as running."""
        kept = {k: v for k, v in earlier.system_attrs.items() if k in (RUNGS, AGAIN)}
        began = {k: v for k, v in earlier.user_attrs.items() if k == STARTED}
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=earlier.params,
            distributions=earlier.distributions,
            user_attrs={**began, CONTINUES: {"trial": earlier.number}},
            system_attrs={**kept, ASKED_AFTER: self.told, FIXED: earlier.params},
        )
        return self._begun(template)

    def compare(self, number: int, rungs: Sequence[Rung]) -> None:
        """Keeps what a trial under way was worth at the rungs it came to."""
        steps: Any = [[epochs, list(values)] for epochs, values in rungs]
        pairs = ((self._kept, self._kept_id(number)), (self._memory, self._trial_id(number)))
        for storage, trial_id in pairs:
            storage.set_trial_system_attr(trial_id, RUNGS, steps)
            if len(self.study.directions) == 1:  # Optuna's samplers and plots know these
                epochs, values = rungs[-1]
                storage.set_trial_intermediate_value(trial_id, epochs, values[0])

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

    def fail(self, number: int, facts: Mapping[str, Any], reason: str) -> None:
        """Tells that a trial has no values, and why, in a word."""
        self._finish(number, facts, TrialState.FAIL, None, {}, {FAULT: reason})

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
        told: dict[str, Any] = {
            CONSTRAINT + name: value for name, value in sorted(constraints.items())
        }
        told |= marks or {}
        told[TOLD] = self.told + 1
        kept_id = self._kept_id(number)
        memory_id = self._trial_id(number)
        for storage, trial_id in ((self._kept, kept_id), (self._memory, memory_id)):
            storage.set_trial_user_attr(trial_id, FACTS, dict(facts))
            for name, value in told.items():
                storage.set_trial_system_attr(trial_id, name, value)
        self._kept.set_trial_state_values(kept_id, state, values)
        with quiet():
            self.study.tell(number, values, state=state)

    def _begun(self, template: FrozenTrial) -> FrozenTrial:
        """A trial that no sampler proposed, in both storages."""
        memory_id = self._memory.create_new_trial(self._memory_id, template_trial=template)
        trial = self._memory.get_trial(memory_id)
        kept_id = self._kept.create_new_trial(self._study_id, template_trial=trial)
        assert kept_id == self._kept_id(trial.number), "numbers in memory and database differ"
        return trial

    def _kept_id(self, number: int) -> int:
        return self._kept.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _trial_id(self, number: int) -> int:
        return self._memory.get_trial_id_from_study_id_trial_number(self._memory_id, number)


def is_declined(trial: FrozenTrial) -> bool:
    """Whether the trial was pruned before any training."""
    return trial.state == TrialState.PRUNED and RUNGS not in trial.system_attrs


def is_counted(trial: FrozenTrial) -> bool:
    """Whether the trial is one of those that a search is asked for."""
    return not is_declined(trial) and CONTINUES not in trial.user_attrs


def read(url: str, study_name: str) -> list[FrozenTrial]:
    """The trials of a study as the database has them now; nothing is written."""
    storage = _storage(url, reading=True)
    try:
        study_id = _study_id(storage, study_name, None)
        trials: list[FrozenTrial] = storage.get_all_trials(study_id, deepcopy=False)
    except (RecursionError, ValueError, LookupError, TypeError) as error:  # of a row that is none
        if isinstance(error, UserError):
            raise
        where, why = without_password(url), str(error).splitlines() or [type(error).__name__]
        raise UserError(f"the trials in {where} are damaged ({why[0][:80]})") from None
    finally:
        storage.engine.dispose()
    return trials


def holds(url: str, study_name: str) -> bool:
    """Whether the database already has a study of this name. Raises UserError."""
    if (file := _file(url)) is not None and not file.exists():
        if not file.parent.is_dir():
            raise UserError(f"storage {url}: there is no folder {file.parent}")
        return False
    storage = _storage(url)
    try:
        storage.get_study_id_from_name(study_name)
    except KeyError:
        return False
    finally:
        storage.engine.dispose()
    return True


def no_study(name: str) -> UserError:
    """The error for a name that the database does not know."""
    return UserError(f"the storage has no study {name!r}; a run's folder keeps its name")


def absolute(url: str) -> str:
    """The same database from any working directory: SQLite files have relative names."""
    file = _file(url)
    return url if file is None else f"{_SQLITE}{file.absolute()}"


def _file(url: str) -> Path | None:
    """The SQLite file that a plain address names."""
    name = url.removeprefix(_SQLITE)
    plain = url.startswith(_SQLITE) and not name.startswith((":", "file:")) and "?" not in name
    return Path(name) if plain and name else None


def _study_id(storage: RDBStorage, name: str, directions: Sequence[Direction] | None) -> int:
    """The study of this name; made with `directions` if there is none."""
    try:
        return int(storage.get_study_id_from_name(name))
    except KeyError:
        if directions is None:
            raise no_study(name) from None
        members = [optuna.study.StudyDirection[direction.upper()] for direction in directions]
        with quiet():
            return int(storage.create_new_study(members, study_name=name))


def _storage(url: str, reading: bool = False) -> RDBStorage:
    if (file := _file(url)) is not None:
        _check_file(file, must_exist=reading)
    try:
        with quiet():
            return RDBStorage(url, engine_kwargs=_waits(url), skip_table_creation=reading)
    except Exception as error:  # SQLAlchemy, drivers and Optuna each raise their own classes
        raise _cannot_open(url, error) from None


def reading_engine(url: str) -> "Engine":
    """A database to read from with SQL. Raises UserError where there is none, or no driver."""
    from sqlalchemy import NullPool, create_engine

    try:
        if (file := _file(url)) is not None:
            # Opened anew each time: an open file would still be read after it was removed.
            return create_engine(_SQLITE, creator=lambda: _opened(file), poolclass=NullPool)
        return create_engine(url, **_waits(url))
    except Exception as error:  # a driver that is not installed, an address that is none
        raise _cannot_open(url, error) from None


def _opened(file: Path) -> sqlite3.Connection:
    """A database that is there, for reading. Raises UserError where it is not."""
    try:
        _check_file(file, must_exist=True)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror or error})") from None
    # mode=rw creates nothing. It is not "ro", as a driver that was killed while it wrote leaves a
    # journal, which the next who opens the file must be able to undo.
    return sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True, timeout=_PATIENCE_S)


def _waits(url: str) -> dict[str, Any]:
    """How to connect: a busy SQLite file is waited for, a server may have gone since."""
    waits: dict[str, Any] = {"timeout": _PATIENCE_S} if url.startswith("sqlite") else {}
    return {"connect_args": waits, "pool_pre_ping": not waits}


def _cannot_open(url: str, error: Exception) -> UserError:
    return UserError(f"storage {without_password(url)} cannot be opened: {_why(error)}")


def _why(error: Exception) -> str:
    """One line: what the database itself said, where Optuna wraps it up."""
    if isinstance(error, ImportError):
        return "its driver is not installed (for PostgreSQL: pip install 'nas-platform[postgres]')"
    if isinstance(error, StorageInternalError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return str(error).splitlines()[0] if str(error) else error.__class__.__name__


def _check_file(path: Path, must_exist: bool) -> None:
    """Optuna would create tables in an empty file and fail oddly in a damaged one."""
    if not path.exists():
        if must_exist:
            raise UserError(f"{path} does not exist; the run has no record of its trials")
        return
    with path.open("rb") as file:
        if file.read(len(_SQLITE_HEADER)) != _SQLITE_HEADER:
            raise UserError(f"{path} is not an SQLite database; restore it from a copy")


def without_password(url: str) -> str:
    """The address of a database as it may be shown."""
    scheme, slashes, rest = _SECRET.sub(r"\1...", url).partition("://")
    credentials, at, place = rest.rpartition("@")
    return f"{scheme}{slashes}{credentials.partition(':')[0]}{at}{place}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Optuna without its notes on standard error; its verbosity is put back."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
