"""What is left of the trials in a damaged SQLite file, whatever of it can be read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import TrialState

from nas.errors import UserError
from nas.store.attributes import FACTS, STARTED
from nas.store.pages import Row, rows
from nas.store.schema import FINITE

_STATES: Mapping[object, TrialState] = {state.name: state for state in TrialState}


@dataclass(slots=True)
class Remains:
    """What was found of one trial. values: by objective."""

    number: int | None = None
    state: TrialState | None = None
    begun: datetime | None = None
    ended: datetime | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    values: dict[int, float] = field(default_factory=dict)
    user: dict[str, Any] = field(default_factory=dict)
    system: dict[str, Any] = field(default_factory=dict)


def remains(file: Path) -> dict[int, Remains]:
    """By number, whatever is left of each trial. Raises UserError for a file of several studies."""
    log = file.with_name(file.name + "-wal")
    found: dict[int, Remains] = {}
    studies: set[object] = set()
    for row in sorted(rows(file.read_bytes(), _content(log)), key=lambda row: row.key):
        _take(row, found, studies)
    if len(studies) > 1:
        raise UserError(
            f"{file} holds {len(studies)} studies; only a database of one can be recovered"
        )
    return _numbered(found)


def _content(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""


def _take(row: Row, found: dict[int, Remains], studies: set[object]) -> None:
    """Tells the tables apart by their columns: their names are in a page that may be gone."""
    try:
        match row.values:
            case (None, int(number), int(study), str(state), begun, ended) if state in _STATES:
                trial = found.setdefault(row.key, Remains())
                trial.number, trial.state = number, _STATES[state]
                trial.begun, trial.ended = _moment(begun), _moment(ended)
                studies.add(study)
            case (None, int(key), str(name), int() | float() as value, str(text)):
                distribution = json_to_distribution(text)
                trial = found.setdefault(key, Remains())
                trial.parameters[name] = distribution.to_external_repr(float(value))
                trial.distributions[name] = distribution
            case (None, int(key), int(objective), int() | float() as value, str(kind)):
                if kind == FINITE:
                    found.setdefault(key, Remains()).values[objective] = float(value)
            case (None, int(key), str(name), str(text)):
                value = json.loads(text)
                trial = found.setdefault(key, Remains())
                (trial.user if name in (FACTS, STARTED) else trial.system)[name] = value
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return  # a row whose content is damaged is as good as none


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _numbered(found: dict[int, Remains]) -> dict[int, Remains]:
    """By number instead of by key: trials were added in the order of both."""
    offsets = [key - trial.number for key, trial in found.items() if trial.number is not None]
    offset = max(set(offsets), key=offsets.count, default=1)
    numbered: dict[int, Remains] = {}
    for key, trial in sorted(found.items()):
        number = key - offset if trial.number is None else trial.number
        if number >= 0 and (trial.state or trial.parameters or trial.user):
            numbered.setdefault(number, trial)
    return numbered
