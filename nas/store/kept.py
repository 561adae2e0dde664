"""A study as its database has it, written a transaction at a time.

Every step may be made twice: where a transaction was done and only the answer was lost, the
database is asked before anything is repeated.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sql
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from nas.errors import UserError
from nas.store import loading, sqlite
from nas.store.backoff import Backoff, persist
from nas.store.schema import (
    FINITE,
    PARAMETERS,
    REPORTS,
    STUDIES,
    SYSTEM_ATTRIBUTES,
    TRIALS,
    USER_ATTRIBUTES,
    VALUES,
)

T = TypeVar("T")


class Kept:
    """The trials of one study, of which this process is the only writer.

    Its methods raise DiskFull and Unwritable where the database takes nothing, and UserError where
    somebody else has written to the study.
    """

    def __init__(self, engine: sql.Engine, study_id: int, where: str, backoff: Backoff) -> None:
        """where: the database, as a user may be told of it."""
        self._engine, self._study_id = engine, study_id
        self._where, self._backoff = where, backoff

    def trials(self) -> list[FrozenTrial]:
        """All trials, in order."""
        return self._done(lambda connection: loading.trials(connection, self._study_id))

    def begin(self, trial: FrozenTrial) -> None:
        """Writes a trial that is under way, under its number."""
        self._done(lambda connection: self._begin(connection, trial))

    def finish(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float] | None,
        user: Mapping[str, Any],
        system: Mapping[str, Any],
        ended: datetime,
    ) -> None:
        """Writes what became of a trial: finite values, attributes (strict JSON), its state."""

        def step(connection: sql.Connection) -> None:
            found = self._row(connection, number)
            if found is None or found.state not in (TrialState.RUNNING, state):
                raise self._foreign(number)
            if found.state == state:  # done before, and not heard of it
                return
            _attach(connection, USER_ATTRIBUTES, found.trial_id, user)
            _attach(connection, SYSTEM_ATTRIBUTES, found.trial_id, system)
            _insert(connection, VALUES, _values(found.trial_id, values))
            connection.execute(
                sql.update(TRIALS)
                .where(TRIALS.c.trial_id == found.trial_id)
                .values(state=state, datetime_complete=ended)
            )

        self._done(step)

    def note(self, number: int, system: Mapping[str, Any], reports: Mapping[int, float]) -> None:
        """Writes of a trial under way: attributes (strict JSON), finite values by epoch."""

        def step(connection: sql.Connection) -> None:
            found = self._row(connection, number)
            if found is None or found.state != TrialState.RUNNING:
                raise self._foreign(number)
            _attach(connection, SYSTEM_ATTRIBUTES, found.trial_id, system)
            mine = REPORTS.c.trial_id == found.trial_id
            connection.execute(sql.delete(REPORTS).where(mine))
            _insert(connection, REPORTS, _reports(found.trial_id, reports))

        self._done(step)

    def spoil(self, number: int, user: Mapping[str, Any]) -> None:
        """Makes a complete trial one that failed, with these attributes in place of its own."""

        def step(connection: sql.Connection) -> None:
            found = self._row(connection, number)
            assert found is not None
            _attach(connection, USER_ATTRIBUTES, found.trial_id, user)
            connection.execute(sql.delete(VALUES).where(VALUES.c.trial_id == found.trial_id))
            mine = TRIALS.c.trial_id == found.trial_id
            connection.execute(sql.update(TRIALS).where(mine).values(state=TrialState.FAIL))

        self._done(step)

    def close(self) -> None:
        """Lets go of the database."""
        if self._engine.name == "sqlite":
            sqlite.put_together(self._engine)
        self._engine.dispose()

    def _done(self, step: Callable[[sql.Connection], T]) -> T:
        def attempt() -> T:
            try:
                with self._engine.begin() as connection:
                    return step(connection)
            except sql.exc.DBAPIError:
                # What a connection was told when it was opened, such as to read only, it keeps.
                self._engine.dispose()
                raise

        return persist(attempt, self._where, self._backoff)

    def _begin(self, connection: sql.Connection, trial: FrozenTrial) -> None:
        # One writer at a time, also of those who do not know of our lock.
        study = sql.select(STUDIES).where(STUDIES.c.study_id == self._study_id)
        connection.execute(study.with_for_update()).one()
        there = self._row(connection, trial.number)
        if there is not None and there.datetime_start == trial.datetime_start:
            return  # done before, and not heard of it
        mine = TRIALS.c.study_id == self._study_id
        count = connection.scalar(sql.select(sql.func.count()).select_from(TRIALS).where(mine))
        if there is not None or count != trial.number:
            raise self._foreign(trial.number)
        write(connection, self._study_id, trial)

    def _row(self, connection: sql.Connection, number: int) -> sql.Row[Any] | None:
        mine = (TRIALS.c.study_id == self._study_id, TRIALS.c.number == number)
        return connection.execute(sql.select(TRIALS).where(*mine).with_for_update()).first()

    def _foreign(self, number: int) -> UserError:
        return UserError(
            f"somebody else writes to this study too (trial {number} of {self._where} is "
            "not as this search left it); stop the other, then resume"
        )


def write(connection: sql.Connection, study_id: int, trial: FrozenTrial) -> None:
    """Writes a trial as it is, under its number. Its values must be finite."""
    made = connection.execute(
        sql.insert(TRIALS).values(
            number=trial.number,
            study_id=study_id,
            state=trial.state,
            datetime_start=trial.datetime_start,
            datetime_complete=trial.datetime_complete,
        )
    ).inserted_primary_key
    assert made is not None
    trial_id = int(made[0])
    _insert(connection, PARAMETERS, _parameters(trial_id, trial))
    _insert(connection, VALUES, _values(trial_id, trial.values))
    _insert(connection, USER_ATTRIBUTES, _attributes(trial_id, trial.user_attrs))
    _insert(connection, SYSTEM_ATTRIBUTES, _attributes(trial_id, trial.system_attrs))


def _insert(connection: sql.Connection, table: sql.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sql.insert(table), rows)


def _attach(
    connection: sql.Connection, table: sql.Table, trial_id: int, attributes: Mapping[str, Any]
) -> None:
    """In place of attributes of the same names."""
    names = table.c.key.in_(attributes)
    connection.execute(sql.delete(table).where(table.c.trial_id == trial_id, names))
    _insert(connection, table, _attributes(trial_id, attributes))


def _attributes(trial_id: int, attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value, allow_nan=False)}
        for key, value in attributes.items()
    ]


def _parameters(trial_id: int, trial: FrozenTrial) -> list[dict[str, Any]]:
    rows = []
    for name, value in trial.params.items():
        distribution = trial.distributions[name]
        rows.append(
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": distribution.to_internal_repr(value),
                "distribution_json": distribution_to_json(distribution),
            }
        )
    return rows


def _values(trial_id: int, values: Sequence[float] | None) -> list[dict[str, Any]]:
    return [
        {"trial_id": trial_id, "objective": at, "value": float(value), "value_type": FINITE}
        for at, value in enumerate(values or ())
    ]


def _reports(trial_id: int, reports: Mapping[int, float]) -> list[dict[str, Any]]:
    return [
        {
            "trial_id": trial_id,
            "step": epoch,
            "intermediate_value": float(value),
            "intermediate_value_type": FINITE,
        }
        for epoch, value in reports.items()
    ]
