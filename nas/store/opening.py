"""Databases opened: to drive a study in them, or to read."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.storages import RDBStorage

from nas.errors import UserError
from nas.objective import Direction
from nas.store import faults, postgres, soundness, sqlite
from nas.store.address import SQLITE, refuse_memory, sqlite_file, without_password
from nas.store.backoff import Backoff
from nas.store.errors import Damaged, no_study
from nas.store.filesystem import refuse_network
from nas.store.kept import Kept
from nas.store.quiet import quiet
from nas.store.schema import STUDIES, TRIALS


def kept(
    url: str, study_name: str, directions: Sequence[Direction] | None, backoff: Backoff
) -> Kept:
    """A study to be driven; made with `directions` if there is none, without them UserError.

    Raises UserError for a database that is damaged, of another version, on a network file system,
    or whose study somebody else drives.
    """
    refuse_memory(url)
    file, where = sqlite_file(url), without_password(url)
    if file is not None:
        refuse_network(file)
        if directions is None or file.exists():
            soundness.check_for_writing(file)
    with saying(f"storage {where} cannot be opened"):
        engine = _engine(url, study_name, where)
        try:
            with engine.connect():  # takes the lock, and has it while the tables are made
                pass
            if directions is not None:
                _make(url, study_name, directions)
            with engine.connect() as connection:
                study_id = find(connection, study_name, where)
        except BaseException:
            engine.dispose()
            raise
    return Kept(engine, study_id, where, backoff)


def storage(url: str) -> RDBStorage:
    """Optuna's own storage, with its tables made and its connections as ours are."""
    with quiet():
        made = RDBStorage(url, engine_kwargs=_arguments(url))
    if made.engine.name == "sqlite":
        sqlite.configure(made.engine)
        made.engine.dispose()  # those opened until now are not
    return made


def find(connection: sql.Connection, study_name: str, where: str) -> int:
    """The study of this name. Raises UserError if there is none, or no study at all."""
    tables = set(sql.inspect(connection).get_table_names())
    if not {STUDIES.name, TRIALS.name, "alembic_version"} <= tables:
        raise UserError(f"{where} holds no study; name the database that the search wrote to")
    revision = connection.scalar(sql.text("SELECT version_num FROM alembic_version"))
    soundness.refuse_revision(revision, where, "upgrade it with: optuna storage upgrade")
    wanted = sql.select(STUDIES.c.study_id).where(STUDIES.c.study_name == study_name)
    found = connection.scalar(wanted)
    if found is None:
        raise no_study(study_name)
    return int(found)


def reading_engine(url: str) -> sql.Engine:
    """A database to read from with SQL. Raises UserError where there is none, or no driver."""
    with saying(f"storage {without_password(url)} cannot be opened"):
        if (file := sqlite_file(url)) is not None:
            # Opened anew each time: an open file would still be read after it was removed.
            return sql.create_engine(SQLITE, creator=lambda: _read(file), poolclass=sql.NullPool)
        return sql.create_engine(url, **_arguments(url))


@contextmanager
def saying(what: str, file: Path | None = None) -> Iterator[None]:
    """Whatever a driver, SQLAlchemy or Optuna raises becomes one line. file: of SQLite, if it is.

    Raises UserError.
    """
    try:
        yield
    except UserError as error:
        if isinstance(error, Damaged) and file is not None and str(file) not in str(error):
            raise soundness.damaged(file, str(error)) from None
        raise
    except sql.exc.DatabaseError as error:
        if file is not None and isinstance(error.orig, sqlite3.DatabaseError):
            raise soundness.unreadable(file, error.orig) from None
        raise UserError(f"{what}: {faults.why(error)}") from None
    except Exception as error:  # SQLAlchemy, drivers and Optuna each raise their own classes
        raise UserError(f"{what}: {faults.why(error)}") from None


def _engine(url: str, study_name: str, where: str) -> sql.Engine:
    engine = sql.create_engine(url, **_arguments(url), pool_size=1, max_overflow=0)
    if engine.name == "sqlite":
        sqlite.configure(engine)
    elif engine.name == "postgresql":
        postgres.hold(engine, study_name, where)
    return engine


def _make(url: str, name: str, directions: Sequence[Direction]) -> None:
    """The tables and the study, where they are not there yet."""
    members = [optuna.study.StudyDirection[direction.upper()] for direction in directions]
    made = storage(url)
    try:
        made.get_study_id_from_name(name)
    except KeyError:
        with quiet():
            made.create_new_study(members, study_name=name)
    finally:
        made.engine.dispose()


def _arguments(url: str) -> dict[str, Any]:
    """How to connect: a busy SQLite file is waited for, a server may have gone since."""
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": sqlite.PATIENCE_S}}
    parsed = sql.make_url(url)
    return {"connect_args": postgres.arguments(parsed), "pool_pre_ping": True}


def _read(file: Path) -> sqlite3.Connection:
    """A file that is there, for reading. Raises UserError where it is not, or damaged."""
    try:
        soundness.check_for_reading(file)
        return sqlite.reader(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror or error})") from None
    except sqlite3.Error as error:
        raise soundness.unreadable(file, error) from None
