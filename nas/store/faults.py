"""What an error of a database means for who wants to write to it."""

import sqlite3
from typing import Literal

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

Fault = Literal["full", "passing", "lasting"]

# SQLite: what a disk without room answers, be it for the pages or for the index of the log.
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# A quota that is used up, or a disk that breaks.
_REFUSED = sqlite3.SQLITE_IOERR_WRITE
# PostgreSQL: connection lost, server going or coming, no connection free, taken back for others.
_PASSING = ("08", "40", "53", "57")
_DISK_FULL, _READ_ONLY = "53100", "25006"


def of(error: DBAPIError) -> Fault:
    """full: no room on the disk. passing: another attempt may succeed. lasting: none will."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        if code in _FULL or code & 0xFF == sqlite3.SQLITE_FULL:
            return "full"
        return "passing" if code & 0xFF in _BUSY or code == _REFUSED else "lasting"
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if state == _DISK_FULL:
        return "full"
    if state is None:  # there is no server that could have said anything
        lost = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
        return "passing" if lost else "lasting"
    return "passing" if state == _READ_ONLY or state[:2] in _PASSING else "lasting"


def why(error: Exception) -> str:
    """One line: what the database itself said, where Optuna or SQLAlchemy wraps it up."""
    if isinstance(error, ImportError):
        return "its driver is not installed (for PostgreSQL: pip install 'nas-platform[postgres]')"
    if isinstance(error, StorageInternalError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(said).splitlines()[0] if str(said) else said.__class__.__name__
