"""Real searches that can be stopped and go on, all of one folder at one target latency."""

import argparse
from pathlib import Path
from typing import Any

from controllers.record import TOLD
from nas import searches, store
from nas.errors import UserError
from nas.record import TrialRecord
from nas.run import Run, open_run
from nas.settings import parse

SHARED = ("space", "data", "data_root", "limit", "epochs", "max_macs", "workers", "executor")
"""Options of a command that all its searches have."""
_BESIDE = ("controllers", "seeds", "out", "workers", "executor", "data_root")


def deciding(given: argparse.Namespace) -> dict[str, Any]:
    """Return the options that decide what the searches of a command find, as JSON values."""
    return {name: value for name, value in vars(given).items() if name not in _BESIDE}


def searched(runs: Path, name: str, given: argparse.Namespace, **own: Any) -> Run:
    """Search, or go on with a search of that name that was stopped.

    given: the options of the command. own: settings of this search, as of `nas.search`; the target
    latency is that of the first search of the folder.

    Raises UserError where that search has other settings.
    """
    settings = {option: getattr(given, option) for option in SHARED} | own
    if (runs / name).is_dir():
        begun = open_run(runs / name)
        _refuse_other(begun, settings)
        return searches.resume(begun)
    return searches.search(
        target_latency=_target_ms(runs), runtime="macs", out=str(runs), name=name, **settings
    )


def trained(run: Run) -> list[TrialRecord]:
    """What was trained, also in part, in the order in which it was told."""
    rows = store.read(run.storage_url, run.name)
    told = {row.number: row.system_attrs.get(TOLD, 0) for row in rows}
    found = [r for r in run.records() if r.measurement is not None and r.reused_from is None]
    return sorted(found, key=lambda record: told.get(record.trial, 0))


def _refuse_other(begun: Run, settings: dict[str, Any]) -> None:
    asked, there = parse(settings).model_dump(), begun.settings.model_dump()
    for name in settings:
        if name != "data_root" and asked[name] != there[name]:  # which may be told otherwise
            raise UserError(
                f"{begun.path} was begun with {name} {there[name]!r}, not {asked[name]!r}: "
                "delete it, or give another folder"
            )


def _target_ms(runs: Path) -> float | None:
    there = sorted(runs.glob("*/search.yaml"))
    return open_run(there[0].parent).target_ms if there else None
