"""An SQLite file before it is opened: Optuna would make tables in an empty one, and fail oddly.

Nothing here changes the file, nor opens it but through SQLite: whoever else in this process has it
open would lose its locks when another handle of it is closed.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from nas.errors import UserError
from nas.store import sqlite
from nas.store.errors import Damaged, OtherVersion
from nas.store.schema import REVISION, STUDIES, TRIALS


def check_for_reading(file: Path) -> None:
    """Raises UserError for what is no file, or an empty one."""
    if not file.exists():
        raise UserError(f"{file} does not exist; the run has no record of its trials")
    if not file.is_file():
        raise UserError(f"{file} is not a file")
    if file.stat().st_size == 0:
        raise damaged(file, "it is empty")


def check_for_writing(file: Path) -> None:
    """Raises UserError for a file that its driver could not work with; page by page."""
    check_for_reading(file)
    for path, what in ((file, ""), (file.parent, "is in a folder that ")):
        if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise UserError(
                f"{file} {what}is read-only for this user, so no trial can be recorded; "
                "resume as its owner, or make it writable"
            )
    try:
        with closing(_untouched(file)) as connection:
            _check_revision(connection, file)
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise unreadable(file, error) from None
    if found != "ok":
        raise damaged(file, " ".join(str(found).replace("***", "").split()))


def damaged(file: Path, why: str) -> Damaged:
    """The error for a file that holds something else than a study."""
    return Damaged(f"{file} is damaged ({why}); {remedy(file)}")


def unreadable(file: Path, error: Exception) -> UserError:
    """The error for what SQLite says of a file."""
    if isinstance(error, sqlite3.OperationalError):  # the file is not to blame
        return UserError(f"{file} cannot be read ({error})")
    return damaged(file, str(error))


def remedy(file: Path) -> str:
    """What brings back the trials of a damaged file."""
    run = file.parent if (file.parent / "search.yaml").exists() else "RUN"
    return f"recover its trials with: nas repair {run}"


def _untouched(file: Path) -> sqlite3.Connection:
    """A connection that leaves the file as it is, unless it lacks the end of a write."""
    try:
        return sqlite.opened(file, "ro")
    except sqlite3.OperationalError:
        return sqlite.reader(file)


def _check_revision(connection: sqlite3.Connection, file: Path) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not {STUDIES.name, TRIALS.name, "alembic_version"} <= tables:
        raise damaged(file, "it has none of the tables of a study")
    rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    refuse_revision(rows[0][0] if rows else None, str(file), remedy(file))


def refuse_revision(found: str | None, where: str, remedy: str) -> None:
    """Raises OtherVersion for tables that another version of Optuna made. remedy: what to do."""
    if found != REVISION:
        raise OtherVersion(
            f"{where} was written by another version of Optuna (its tables are of revision "
            f"{found}, here they are of {REVISION}); {remedy}"
        )
