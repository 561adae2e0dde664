"""One SQLite file: how its driver opens it, how everybody else reads it.

The driver keeps it in write-ahead mode: readers never wait for it nor it for them, and a commit
does not wait for the disk. When the driver ends, it puts all into the one file again, which can
then be copied, or read from a folder that cannot be written.
"""

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sql

PATIENCE_S: Final = 60.0  # how long a file that somebody else writes is waited for
_CLOSING_S: Final = 2.0  # how long readers are waited for at the end
_MODES: Final = ("rw", "ro&immutable=1")


def configure(engine: sql.Engine) -> None:
    """Makes every connection of an engine one of a driver."""
    sql.event.listen(engine, "connect", _connected)
    sql.event.listen(engine, "begin", _began)


def _connected(connection: sqlite3.Connection, record: object) -> None:
    connection.isolation_level = None  # `_began` begins, Python does not
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _began(connection: sql.Connection) -> None:
    # Whoever reads before it writes must not find in between that another one has written.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def put_together(engine: sql.Engine) -> None:
    """All into the one file. If others read it just then, they keep it as it is, also well."""
    with contextlib.suppress(sql.exc.SQLAlchemyError, sqlite3.Error):
        pooled = engine.raw_connection()
        try:
            pooled.execute("PRAGMA busy_timeout = 100")
            end = time.monotonic() + _CLOSING_S
            while not _is_together(pooled) and time.monotonic() < end:
                time.sleep(0.05)
        finally:
            pooled.close()


def _is_together(connection: Any) -> bool:
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError:  # somebody reads
        return False
    return bool(mode != "wal")


def reader(file: Path) -> sqlite3.Connection:
    """A connection to read a file that is there. Raises sqlite3.Error.

    "rw" creates nothing. It is not "ro", as a driver that was killed while it wrote leaves a
    journal, which the next who opens the file must be able to undo. From a folder that cannot be
    written, SQLite does not read a file in write-ahead mode that nobody has open, unless it is
    told that nobody will.
    """
    try:
        return opened(file, _MODES[0])
    except sqlite3.OperationalError as error:
        log = file.with_name(file.name + "-wal")
        unwritable = error.sqlite_errorcode & 0xFF in (
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_READONLY,
        )
        if not unwritable or (log.exists() and log.stat().st_size):
            raise
        return opened(file, _MODES[1])


def opened(file: Path, mode: str) -> sqlite3.Connection:
    """A connection that has read a page. Raises sqlite3.Error."""
    address = f"file:{quote(str(file))}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, timeout=PATIENCE_S)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
