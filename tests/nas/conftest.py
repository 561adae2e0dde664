"""Runs that several tests look at."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from nas import plugins
from nas.run import Run, open_run
from tests.nas import small_msd
from tests.nas.searched_run import FAILING, HOSTILE, TRIALS, again
from tests.nas.simulated_search import drive, simulated_run
from tests.nas.watched import hostile


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """What a test process writes to SQLite need outlive the test alone, not a power cut."""

    def opened(connection: Any, record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", opened)
    yield
    event.remove(Engine, "connect", opened)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run with trials of every state but running; some proposals repeat earlier ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", small_msd.WHERE)
        run = simulated_run(
            tmp_path_factory.mktemp("results"), name="searched", trials=TRIALS, max_latency="1.8ms"
        )
        drive(run, FAILING, images=60)
        again(run)
        yield run


@pytest.fixture
def copied(searched: Run, tmp_path: Path) -> Run:
    """The same run, to be changed."""
    shutil.copytree(searched.path, tmp_path / "searched")
    return open_run(tmp_path / "searched")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two runs; the second bears a name and an error that a careless page would run."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", small_msd.WHERE)
        for name in ("plain", "hostile"):
            drive(simulated_run(folder, name=name, trials=6), failing=(2,), images=60)
        hostile(open_run(folder / "hostile"), HOSTILE)
        yield folder
