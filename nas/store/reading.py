"""What those who do not drive a study ask of it: nothing is written."""

from optuna.trial import FrozenTrial
from sqlalchemy import inspect, select

from nas.errors import UserError
from nas.store import loading, soundness
from nas.store.address import sqlite_file, without_password
from nas.store.opening import find, reading_engine, saying
from nas.store.schema import STUDIES


def read(url: str, study_name: str) -> list[FrozenTrial]:
    """The trials of a study as the database has them now; nothing is written."""
    where, file = without_password(url), sqlite_file(url)
    engine = reading_engine(url)
    try:
        with saying(f"storage {where} cannot be opened", file), engine.connect() as connection:
            return loading.trials(connection, find(connection, study_name, where))
    finally:
        engine.dispose()


def holds(url: str, study_name: str) -> bool:
    """Whether the database already has a study of this name. Raises UserError."""
    if (file := sqlite_file(url)) is not None:
        if not file.exists():
            if not file.parent.is_dir():
                raise UserError(f"storage {url}: there is no folder {file.parent}")
            return False
        soundness.check_for_writing(file)
    engine = reading_engine(url)
    what = f"storage {without_password(url)} cannot be opened"
    try:
        with saying(what, file), engine.connect() as connection:
            if not inspect(connection).has_table(STUDIES.name):
                return False
            wanted = select(STUDIES.c.study_id).where(STUDIES.c.study_name == study_name)
            return connection.scalar(wanted) is not None
    finally:
        engine.dispose()
