"""The trials of a study as its database has them now; only what has changed is read again.

Optuna's own reading builds every parameter of every trial anew, minutes for thousands of trials;
what a page shows stands in one attribute of each. The tables are Optuna's (its schema 12), the
statements are SELECTs alone.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sql
from optuna.trial import TrialState

from nas import store
from nas.errors import UserError

_STUDIES = sql.table("studies", sql.column("study_id"), sql.column("study_name"))
_TRIALS = sql.table(
    "trials",
    *map(sql.column, ("trial_id", "number", "study_id", "state")),
    sql.column("datetime_start", sql.DateTime),
    sql.column("datetime_complete", sql.DateTime),
)
_ATTRIBUTES = sql.table(
    "trial_user_attributes", *map(sql.column, ("trial_id", "key", "value_json"))
)
_LARGEST = 2**31 - 1  # that the column of numbers holds
_TOGETHER = 500  # databases limit how many values one statement may name


@dataclass(frozen=True, slots=True)
class Row:
    """One trial. recorded: what the search wrote at its beginning and its end, JSON by name."""

    number: int
    state: TrialState
    begun: datetime | None
    ended: datetime | None
    recorded: Mapping[str, str]

    @property
    def attributes(self) -> dict[str, dict[str, Any]]:
        """What is recorded, read anew each time: as text thousands of trials take little room."""
        return {name: _mapping(text) for name, text in self.recorded.items()}


class Rows:
    """A study, read again and again. Raises UserError where the database cannot be read."""

    def __init__(self, url: str, study_name: str) -> None:
        self._url, self._name = url, study_name
        self._engine: sql.Engine | None = None
        self._known: dict[int, str] = {}  # trial_id -> the state that was told of it

    def changed(self) -> list[Row]:
        """The trials that are new or of another state since the last call, in order."""
        with self._connected() as connection:
            found = self._all(connection)
            new = [row for row in found if self._known.get(row["trial_id"]) != row["state"]]
            attributes = _attributes(connection, [row["trial_id"] for row in new])
            self._known.update((row["trial_id"], row["state"]) for row in new)
            return [_row(row, attributes.get(row["trial_id"], {})) for row in new]

    def one(self, number: int) -> Row | None:
        """The trial of that number as it is now."""
        if number > _LARGEST:
            return None
        with self._connected() as connection:
            for row in self._all(connection, _TRIALS.c.number == number):
                return _row(
                    row, _attributes(connection, [row["trial_id"]]).get(row["trial_id"], {})
                )
        return None

    def close(self) -> None:
        """Let the database go."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @contextmanager
    def _connected(self) -> Iterator[sql.Connection]:
        try:
            if self._engine is None:
                self._engine = store.reading_engine(self._url)
            with self._engine.connect() as connection:
                yield connection
        except sql.exc.SQLAlchemyError as error:
            where = store.without_password(self._url)
            why = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise UserError(f"storage {where} cannot be read: {why}") from None

    def _all(
        self, connection: sql.Connection, *conditions: sql.ColumnElement[bool]
    ) -> Sequence[sql.RowMapping]:
        study = sql.select(_STUDIES.c.study_id).where(_STUDIES.c.study_name == self._name)
        study_id = connection.scalar(study)
        if study_id is None:
            raise store.no_study(self._name)
        wanted = sql.select(_TRIALS).where(_TRIALS.c.study_id == study_id, *conditions)
        return connection.execute(wanted.order_by(_TRIALS.c.number)).mappings().all()


def _attributes(connection: sql.Connection, trials: list[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for some in _parts(trials):
        wanted = sql.select(_ATTRIBUTES).where(
            _ATTRIBUTES.c.trial_id.in_(some),
            _ATTRIBUTES.c.key.in_((store.FACTS, store.STARTED)),
        )
        for trial, key, value in connection.execute(wanted):
            found.setdefault(trial, {})[key] = value
    return found


def _mapping(text: str) -> dict[str, Any]:
    """What is recorded; nothing where it is damaged, and None for what is no finite number."""
    try:
        value = json.loads(text, parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _parts(trials: list[int]) -> Iterable[list[int]]:
    return (trials[at : at + _TOGETHER] for at in range(0, len(trials), _TOGETHER))


def _row(row: sql.RowMapping, recorded: Mapping[str, str]) -> Row:
    state = TrialState[row["state"]]
    ended = row["datetime_complete"] if state.is_finished() else None
    return Row(row["number"], state, row["datetime_start"], ended, recorded)
