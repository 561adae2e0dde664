"""A database that is full, busy, cut off in the middle of a commit, or written by somebody else."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from optuna.samplers import RandomSampler
from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect

from nas.errors import UserError
from nas.store import Backoff, DiskFull, Store, Unwritable, read
from tests.nas.test_store import DISTRIBUTIONS

STEPS = 6  # transactions of `searched`


class Time:
    """Passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.pauses, self.said = 0.0, list[float](), list[str]()

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    def backoff(self, total_s: float = 60.0) -> Backoff:
        return Backoff(total_s, clock=lambda: self.now, sleep=self.sleep, say=self.said.append)


def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


def opened(tmp_path: Path, backoff: Backoff | None = None) -> Store:
    return Store(url(tmp_path), "run", ["maximize"], backoff=backoff)


def searched(store: Store) -> None:
    """Three trials: complete, pruned, and one that was begun with and failed."""
    first = store.ask(RandomSampler(seed=0), DISTRIBUTIONS).number
    second = store.ask(RandomSampler(seed=1), DISTRIBUTIONS).number
    store.complete(second, {"key": "b"}, [0.5], {"macs": 0.1, "parameters": -1.0})
    store.prune(first, {"key": "a"}, {"macs": 2.0})
    third = store.start({"op": "pool", "width": 1}, DISTRIBUTIONS, {"named": True}).number
    store.fail(third, {"error": "lost"})


def told(store_or_path: Store | Path) -> list[tuple[Any, ...]]:
    trials = (
        read(url(store_or_path), "run") if isinstance(store_or_path, Path) else store_or_path.trials
    )
    return [
        (t.number, t.state, t.values, t.params, t.user_attrs, t.system_attrs, t.distributions)
        for t in trials
    ]


@contextmanager
def broken_commits(monkeypatch: pytest.MonkeyPatch, *which: int, lost: bool) -> Iterator[None]:
    """Some transactions fail at their end; lost: all but their answer arrived."""
    commit, count = DefaultDialect.do_commit, 0

    def failing(self: Any, connection: Any) -> None:
        nonlocal count
        count += 1
        if count - 1 in which:
            if lost:
                commit(self, connection)
            error = sqlite3.OperationalError("the line is cut")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        commit(self, connection)

    with monkeypatch.context() as patch:
        patch.setattr(DefaultDialect, "do_commit", failing)
        yield
        assert count > max(which)


@pytest.mark.parametrize("lost", [False, True], ids=["undone", "unheard"])
@pytest.mark.parametrize("which", range(STEPS))
def test_a_transaction_that_is_tried_again_is_done_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int, lost: bool
) -> None:
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    with closing(opened(tmp_path / "whole")) as store:
        searched(store)
    time = Time()
    with closing(opened(tmp_path / "cut", time.backoff())) as store:
        with broken_commits(monkeypatch, which, lost=lost):
            searched(store)
        assert told(store) == told(tmp_path / "cut") == told(tmp_path / "whole")
    assert [line.partition("study.db ")[2] for line in time.said] == [
        "does not answer (the line is cut); asking again",
        "answers again",
    ]


def test_pauses_grow_up_to_a_limit_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time()
    with closing(opened(tmp_path, time.backoff(total_s=20))) as store:
        monkeypatch.setattr(DefaultDialect, "do_commit", busy)
        with pytest.raises(Unwritable, match=r"cannot be written \(taken\)$"):
            store.ask(RandomSampler(), DISTRIBUTIONS)
    assert time.pauses[:4] == [0.05, 0.1, 0.2, 0.4]
    assert max(time.pauses) == 5.0
    assert 20 <= time.now <= 25
    assert len(time.said) == 1


def busy(self: Any, connection: Any) -> None:
    error = sqlite3.OperationalError("taken")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    raise error


@contextmanager
def no_room(tmp_path: Path) -> Iterator[None]:
    """The database may not grow by a page; SQLite says of it what it says of a full disk."""

    def connected(connection: Any, record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)


def test_what_a_full_disk_refused_is_done_when_there_is_room(tmp_path: Path) -> None:
    long = {"text": "x" * 30_000}  # more than the free room of a page
    with closing(opened(tmp_path)) as store:
        number = store.ask(RandomSampler(seed=0), DISTRIBUTIONS).number
    time = Time()
    with no_room(tmp_path), closing(opened(tmp_path, time.backoff())) as store:
        for _ in range(2):
            with pytest.raises(DiskFull, match=r"database or disk is full\); make room there$"):
                store.fail(number, long)
            with pytest.raises(DiskFull, match=r"study\.db cannot be written"):
                store.start({"op": "conv", "width": 1}, DISTRIBUTIONS, long)
        assert (store.told, store.started, len(store.trials)) == (0, 0, 1)
        assert [row.state.name for row in read(url(tmp_path), "run")] == ["RUNNING"]
        assert time.pauses == [], "only a user makes room"
        make_room(store)
        store.fail(number, long)
        assert store.start({"op": "conv", "width": 1}, DISTRIBUTIONS, long).number == 1
        assert (store.told, store.started, len(store.trials)) == (1, 1, 2)
        assert told(store) == told(tmp_path)


def make_room(store: Store) -> None:
    """Lifts the limit on the connection that the store has open."""
    with store._kept._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")


def test_somebody_else_who_writes_is_noticed_before_anything_is_spoilt(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as mine, closing(opened(tmp_path)) as theirs:
        theirs.ask(RandomSampler(seed=1), DISTRIBUTIONS)
        with pytest.raises(UserError, match="somebody else writes to this study too"):
            mine.ask(RandomSampler(seed=2), DISTRIBUTIONS)
        assert told(theirs) == told(tmp_path)
        theirs.fail(0, {"error": "theirs"})
        assert told(theirs) == told(tmp_path)
