"""A study that is read while it is written, after its driver died, and where nobody may write."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from optuna.samplers import RandomSampler

from nas.store import Store, read
from tests.nas.test_store import DISTRIBUTIONS
from tests.nas.test_store_soundness import NOBODY, as_nobody

DRIVER = """
import os, signal, sys
from optuna.samplers import RandomSampler
from nas.store import Store
from tests.nas.test_store import DISTRIBUTIONS

store = Store(sys.argv[1], "run", ["maximize"])
for value in range(3):
    store.complete(store.ask(RandomSampler(), DISTRIBUTIONS).number, {}, [value], {})
print("ready", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


@contextmanager
def driver(url: str) -> Iterator[subprocess.Popen[str]]:
    """Has written three trials, goes on living, and is killed where it stands."""
    command = [sys.executable, "-c", DRIVER, url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def url(tmp_path: Path) -> str:
    tmp_path.chmod(0o755)
    return f"sqlite:///{tmp_path / 'study.db'}"


def seen(url: str) -> list[str]:
    return [trial.state.name for trial in read(url, "run")]


def test_a_study_is_one_file_once_its_driver_has_ended(tmp_path: Path, url: str) -> None:
    with closing(Store(url, "run", ["maximize"])) as store:
        store.complete(store.ask(RandomSampler(), DISTRIBUTIONS).number, {}, [1.0], {})
        assert names(tmp_path) == {"study.db", "study.db-wal", "study.db-shm"}
        assert seen(url) == ["COMPLETE"], "readers do not wait for the end"
    assert names(tmp_path) == {"study.db"}
    assert (tmp_path / "study.db").read_bytes()[18:20] == b"\1\1", "not in write-ahead mode"
    shutil.copy(tmp_path / "study.db", tmp_path / "copy.db")
    assert seen(f"sqlite:///{tmp_path / 'copy.db'}") == ["COMPLETE"]


def test_a_reader_at_the_end_does_not_keep_the_driver_from_ending(tmp_path: Path, url: str) -> None:
    import sqlite3

    store = Store(url, "run", ["maximize"])
    store.ask(RandomSampler(), DISTRIBUTIONS)
    with closing(sqlite3.connect(tmp_path / "study.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM trials").fetchall()
        store.close()
        assert seen(url) == ["RUNNING"]
    with closing(Store(url, "run", ["maximize"])) as store:
        assert len(store.trials) == 1
    assert names(tmp_path) == {"study.db"}


def test_others_read_a_study_while_it_is_written(tmp_path: Path, url: str) -> None:
    with driver(url):
        tmp_path.chmod(0o555)
        before = names(tmp_path)
        with as_nobody(tmp_path):
            assert seen(url) == ["COMPLETE"] * 3
        assert names(tmp_path) == before
    tmp_path.chmod(0o755)


@pytest.mark.parametrize("first", ["nobody", "owner"])
def test_a_killed_driver_leaves_what_others_can_read(tmp_path: Path, url: str, first: str) -> None:
    with driver(url) as process:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(30) == -signal.SIGKILL
    assert "study.db-wal" in names(tmp_path)
    if first == "owner":  # whose reading takes the log into the file, and leaves its mode
        assert seen(url) == ["COMPLETE"] * 3
        assert names(tmp_path) == {"study.db"}
    tmp_path.chmod(0o555)
    with as_nobody(tmp_path):
        assert os.geteuid() in (NOBODY, os.getuid())
        assert seen(url) == ["COMPLETE"] * 3
    tmp_path.chmod(0o755)
    with closing(Store(url, "run", ["maximize"])) as store:
        assert len(store.trials) == 3
    assert names(tmp_path) == {"study.db"}
