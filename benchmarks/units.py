"""Experiments as lists of units: each is a few minutes of work that ends in a file of its own.

Running an experiment again goes on where it stopped: a unit whose file is there is not done again.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas import atomic
from nas.errors import UserError

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of an experiment: `work(folder)` returns its facts, JSON values.

    settings: all that decides the result, as JSON values; a file made with others is refused.
    Arrays go into files that `work` writes into the folder under names that begin with `name`.
    """

    name: str
    settings: Mapping[str, Any]
    work: Callable[[Path], Facts]


def complete(units: Sequence[Unit], folder: Path) -> dict[str, Facts]:
    """Do the units whose files are missing in `folder`, in order; the facts of all, by name.

    Raises UserError for a file that was made with other settings or is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {unit.name: _read(unit, folder) for unit in units}
    missing = [unit for unit in units if found[unit.name] is None]
    _say(f"{len(units) - len(missing)} of {len(units)} units are there: {folder}")
    for number, unit in enumerate(missing, start=1):
        _say(f"unit {number} of {len(missing)}: {unit.name}")
        facts = unit.work(folder)
        document = {"settings": dict(unit.settings), "facts": facts}
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        atomic.write(_file(unit, folder), text.encode())
        found[unit.name] = facts
    return {name: facts for name, facts in found.items() if facts is not None}


def reported(make: Callable[[], str], file: Path) -> int:
    """Write and print the report that `make` gives of its units; the exit code of the command."""
    try:
        report = make()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it stopped", file=sys.stderr)
        return 130
    atomic.write(file, report.encode())
    print(report)
    return 0


def _read(unit: Unit, folder: Path) -> Facts | None:
    path = _file(unit, folder)
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        settings, facts = document["settings"], document["facts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged ({error}); delete it to do the unit again") from None
    if settings != json.loads(json.dumps(dict(unit.settings))):
        raise UserError(f"{path}: made with other settings; delete it, or give another folder")
    return dict(facts)


def _file(unit: Unit, folder: Path) -> Path:
    return folder / f"{unit.name}.json"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
