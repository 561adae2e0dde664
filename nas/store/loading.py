"""Trials out of their rows.

Optuna's own reading parses the distribution of every parameter of every trial twice, minutes for
thousands of trials; a study has few distributions, so each is parsed once and shared.
"""

import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sql
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial

from nas.store.errors import Damaged
from nas.store.schema import (
    FINITE,
    INFINITE,
    MINUS_INFINITE,
    NOT_A_NUMBER,
    PARAMETERS,
    REPORTS,
    SYSTEM_ATTRIBUTES,
    TRIALS,
    USER_ATTRIBUTES,
    VALUES,
)

_TOGETHER = 500  # trials; databases limit how many values one statement may name
_SPECIAL: Final = {INFINITE: math.inf, MINUS_INFINITE: -math.inf, NOT_A_NUMBER: math.nan}


def trials(connection: sql.Connection, study_id: int) -> list[FrozenTrial]:
    """All trials of a study, in order. Raises Damaged, naming the first that cannot be read."""
    wanted = sql.select(TRIALS).where(TRIALS.c.study_id == study_id)
    rows = connection.execute(wanted.order_by(TRIALS.c.trial_id)).all()
    found: list[FrozenTrial] = []
    read = functools.lru_cache(maxsize=None)(json_to_distribution)
    for at in range(0, len(rows), _TOGETHER):
        some = rows[at : at + _TOGETHER]
        parts = _Parts(connection, [row.trial_id for row in some])
        found.extend(_trial(row, parts, read) for row in some)
    for at, trial in enumerate(found):
        if trial.number != at:
            raise Damaged(f"the row of trial {at} is missing")
    return found


class _Parts:
    """What belongs to some trials, by trial_id, in the order in which it was written."""

    def __init__(self, connection: sql.Connection, trial_ids: list[int]) -> None:
        def of(table: sql.Table, *names: str) -> dict[int, list[Any]]:
            columns = [table.c[name] for name in names]
            wanted = sql.select(table.c.trial_id, *columns).where(table.c.trial_id.in_(trial_ids))
            found: dict[int, list[Any]] = {}
            for trial, *rest in connection.execute(wanted.order_by(*table.primary_key)):
                found.setdefault(trial, []).append(rest)
            return found

        self.parameters = of(PARAMETERS, "param_name", "param_value", "distribution_json")
        self.values = of(VALUES, "objective", "value", "value_type")
        self.reports = of(REPORTS, "step", "intermediate_value", "intermediate_value_type")
        self.user = of(USER_ATTRIBUTES, "key", "value_json")
        self.system = of(SYSTEM_ATTRIBUTES, "key", "value_json")


def _trial(row: Any, parts: _Parts, read: Callable[[str], BaseDistribution]) -> FrozenTrial:
    key = row.trial_id
    try:
        parameters = parts.parameters.get(key, [])
        distributions = {name: read(text) for name, _, text in parameters}
        values = dict(_numbers(parts.values.get(key, [])))
        return Loaded(
            number=row.number,
            state=row.state,
            value=None,
            values=[values[at] for at in range(len(values))] or None,
            datetime_start=row.datetime_start,
            datetime_complete=row.datetime_complete,
            params={n: distributions[n].to_external_repr(value) for n, value, _ in parameters},
            distributions=distributions,
            user_attrs=_attributes(parts.user.get(key, [])),
            system_attrs=_attributes(parts.system.get(key, [])),
            intermediate_values=dict(_numbers(parts.reports.get(key, []))),
            trial_id=key,
        )
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise Damaged(f"trial {row.number} cannot be read ({error})".splitlines()[0]) from None


def _numbers(rows: list[Any]) -> Iterator[tuple[int, float]]:
    for place, value, kind in rows:
        yield place, float(value) if kind == FINITE else _SPECIAL[kind]


def _attributes(rows: list[Any]) -> dict[str, Any]:
    return {key: json.loads(text) for key, text in rows}


class Loaded(FrozenTrial):
    """A trial whose copies share its distributions and attributes, which nobody changes.

    Optuna's storage in memory copies what it is given in depth: seconds for thousands of trials.
    """

    def __deepcopy__(self, memo: Mapping[int, object]) -> FrozenTrial:
        return FrozenTrial(
            number=self.number,
            state=self.state,
            value=None,
            values=self._values,
            datetime_start=self.datetime_start,
            datetime_complete=self.datetime_complete,
            params=dict(self.params),
            distributions=dict(self.distributions),
            user_attrs=dict(self.user_attrs),
            system_attrs=dict(self.system_attrs),
            intermediate_values=dict(self.intermediate_values),
            trial_id=self._trial_id,
        )
