"""A new database in place of a damaged one, which is kept beside it under another name."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from nas.objective import Direction
from nas.store import kept, opening, sqlite
from nas.store.address import SQLITE
from nas.store.quiet import quiet

_BESIDE = ("-wal", "-journal")  # what belongs to the damaged file, and must not to the new one


def rebuild(
    file: Path, study_name: str, directions: Sequence[Direction], trials: Sequence[FrozenTrial]
) -> Path:
    """Puts these trials in the place of `file`; returns where the old one is now.

    Whoever opens `file` meanwhile finds the old one or the new one. Raises OSError and
    sqlalchemy's errors where there is no room; the old file is in its place then.
    """
    new = file.with_name(f".{file.name}.new")
    _remove(new)
    try:
        _write(new, study_name, directions, trials)
        kept_as = _free(file)
        os.link(file, kept_as)
        for ending in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                file.with_name(file.name + ending).rename(kept_as.with_name(kept_as.name + ending))
        with contextlib.suppress(FileNotFoundError):
            file.with_name(f"{file.name}-shm").unlink()
        new.replace(file)
    finally:
        _remove(new)
    return kept_as


def _write(
    file: Path, study_name: str, directions: Sequence[Direction], trials: Sequence[FrozenTrial]
) -> None:
    made = opening.storage(f"{SQLITE}{file}")
    try:
        members = [optuna.study.StudyDirection[direction.upper()] for direction in directions]
        with quiet():
            study_id = made.create_new_study(members, study_name=study_name)
        with made.engine.begin() as connection:
            for trial in trials:
                kept.write(connection, study_id, trial)
        sqlite.put_together(made.engine)
    finally:
        made.engine.dispose()


def _free(file: Path) -> Path:
    """A name that nothing has yet."""
    count = 1
    while (name := file.with_name(f"{file.name}.damaged-{count}")).exists():
        count += 1
    return name


def _remove(file: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
