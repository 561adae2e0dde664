"""What a driver says of the moment, and what is kept of the losses of its trials."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas import atomic, live, records, searches
from nas.executors.protocol import Report
from nas.interruption import Interruption, Stopped
from nas.live import Moment, Underway
from nas.loop import Loop
from nas.run import Run
from nas.store import FACTS, read
from tests.nas.small_msd import SMALL
from tests.nas.table_search import (  # noqa: F401
    Heard,
    Table,
    looked_up,
    loop_of,
    made_run,
    small,
)

HERE = socket.gethostname()


class Clock:
    """Seconds as a test wants them; `wall` is what clocks on walls show then."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return 1e9 + self.seconds


class Watched(Table):
    """Lets `seconds` pass at every look at the workers, and reads what the driver said then."""

    def __init__(self, run: Run, clock: Clock, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._run, self._clock, self._seconds = run, clock, seconds
        self.moments: list[Moment | None] = []

    def completed(self, timeout: float) -> list[Any]:
        self.moments.append(live.read(self._run.path))
        self._clock.seconds += self._seconds
        return super().completed(timeout)


def driven(path: Path, seconds: float, **options: Any) -> tuple[Run, Watched]:
    """A search of four trials, each look at its workers so many seconds after the one before."""
    run, clock = made_run(path, trials=4, controller="random"), Clock()
    watched = Watched(run, clock, seconds, **options)
    loop_of(run, clock=clock, now=clock.wall).go(watched)
    return run, watched


def test_a_driver_says_what_it_trains(tmp_path: Path) -> None:
    run, watched = driven(tmp_path, 2.0)
    keys = [record.architecture and record.architecture.key for record in run.records()]
    _, second, third, _ = watched.moments
    assert second == Moment(
        HERE, os.getpid(), 1e9 + 2, 1, 1, 4, 6.0, 4, (Underway(1, str(keys[1]), ()),), False
    )
    assert third is not None
    assert [each.trial for each in third.running] == [2]


def test_it_says_nothing_twice_in_a_second(tmp_path: Path) -> None:
    _, watched = driven(tmp_path, 0.4)
    written = [moment.written - 1e9 for moment in watched.moments if moment]
    assert written == pytest.approx([0.0, 0.0, 0.0, 1.2], abs=1e-6)


def test_it_says_in_the_end_that_it_has_ended(tmp_path: Path) -> None:
    run, _ = driven(tmp_path, 0.0)
    last = live.read(run.path)
    assert last is not None
    assert (last.done, last.total, last.running, last.closed) == (4, 4, (), True)
    assert not last.alive(last.written, HERE, lambda pid: True)


class Losing(Table):
    """A place whose trials lose 1/2, 1/4, 1/8... and take one look at the workers an epoch."""

    def __init__(self, loop: Loop, clock: Clock, epochs: int) -> None:
        super().__init__()
        self._loop, self._clock, self._epochs = loop, clock, epochs
        self.losses: tuple[float, ...] = ()
        self.seen: list[tuple[float, ...]] = []

    def completed(self, timeout: float) -> list[Any]:
        self._clock.seconds += 1
        if len(self.losses) == self._epochs:
            ended = super().completed(timeout)
            return [
                replace(each, outcome=replace(each.outcome, losses=self.losses)) for each in ended
            ]
        self.losses = (*self.losses, 1 / 3 ** (len(self.losses) + 1))
        self._loop.on_report(Report(self.jobs[0].number, self.losses))
        moment = live.read(self._loop._run.path)
        assert moment is not None
        self.seen.append(moment.running[0].losses)
        return []


def test_losses_are_told_while_it_trains_and_kept_with_the_trial(tmp_path: Path) -> None:
    run, clock, heard = made_run(tmp_path, trials=1, controller="random"), Clock(), Heard()
    loop = loop_of(run, clock=clock, now=clock.wall, progress=heard)
    table = Losing(loop, clock, 3)
    loop.go(table)
    assert table.seen == [table.losses[:1], table.losses[:2], table.losses]
    assert [status.running for status in heard.statuses if status.running][-1] == ((0, 3),)
    (row,) = read(run.storage_url, run.name)
    assert row.user_attrs[FACTS]["losses"] == [0.333333, 0.111111, 0.037037]


def test_facts_say_no_loss_where_there_is_none() -> None:
    import numpy as np

    architecture = SMALL.sample(np.random.default_rng(0))
    assert records.facts(architecture)["losses"] is None
    told = records.facts(architecture, losses=(1.5, math.nan))
    assert json.loads(json.dumps(told, allow_nan=False))["losses"] == [1.5, None]


def test_a_run_without_losses_is_read(tmp_path: Path) -> None:
    run, _ = driven(tmp_path, 0.0)
    before = run.records()
    import sqlite3

    with sqlite3.connect(run.path / "study.db") as database:
        rows = database.execute("SELECT * FROM trial_user_attributes").fetchall()
        for number, _, key, value in rows:
            facts = json.loads(value)
            assert key == FACTS
            assert len(facts.pop("losses")) == 1
            database.execute(
                "UPDATE trial_user_attributes SET value_json = ? WHERE trial_user_attribute_id = ?",
                (json.dumps(facts), number),
            )
    assert [record.trial for record in run.records()] == [record.trial for record in before]
    assert all(record.measurement for record in run.records())


def test_a_long_trial_in_the_drivers_process_does_not_silence_it(tmp_path: Path) -> None:
    run, clock = made_run(tmp_path, trials=1, controller="random"), Clock()
    loop = loop_of(run, clock=clock, now=clock.wall)
    written: list[float] = []

    class Long(Table):
        def completed(self, timeout: float) -> list[Any]:
            for _ in range(12):
                clock.seconds += 1.5
                loop.beat()
                moment = live.read(run.path)
                assert moment is not None
                written.append(moment.written - 1e9)
            return super().completed(timeout)

    loop.go(Long())
    # What changed in the first second at the next batch, then every five seconds.
    assert sorted(set(written)) == [1.5, 7.5, 13.5]


def test_the_batches_of_an_inline_search_reach_its_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats: list[bool] = []
    monkeypatch.setattr(Loop, "beat", lambda loop: beats.append(loop._say.is_due))
    searches.search(
        "msd",
        out=str(tmp_path),
        executor="inline",
        runtime="macs",
        image=8,
        limit=60,
        epochs=2,
        trials=1,
        target_latency="0.2ms",
        max_latency="1s",
        name="run",
    )
    assert len(beats) >= 2
    (row,) = read(f"sqlite:///{tmp_path}/run/study.db", "run")
    assert len(row.user_attrs[FACTS]["losses"]) == 2


@pytest.mark.parametrize("stop", ["asked", "left", "mistake"])
def test_however_a_driver_ends_in_order_it_says_so(tmp_path: Path, stop: str) -> None:
    run, interruption = made_run(tmp_path, trials=9, controller="random"), Interruption()

    class Stopping(Table):
        def completed(self, timeout: float) -> list[Any]:
            interruption.requested = stop != "mistake"
            if stop == "left":
                raise Stopped
            if stop == "mistake":
                raise ValueError("not expected")
            return super().completed(timeout)

    loop = loop_of(run, interruption=interruption)
    if stop == "mistake":
        with pytest.raises(ValueError, match="not expected"):
            loop.go(Stopping())
    else:
        loop.go(Stopping(2))
    last = live.read(run.path)
    assert last is not None
    assert last.closed
    assert last.running == ()


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.nas.small_msd import instead_of_msd
from tests.nas.table_search import Table, loop_of, made_run

instead_of_msd()

class Killed(Table):
    def completed(self, timeout):
        os.kill(os.getpid(), signal.SIGKILL)

loop_of(made_run(Path(sys.argv[1]), trials=3, controller="random", name="run")).go(Killed())
"""


def test_a_killed_driver_is_not_alive_and_the_next_one_is(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = live.read(tmp_path / "run")
    assert left is not None
    assert not left.closed
    assert left.pid not in (0, os.getpid())
    assert not left.alive(left.written + 1, HERE, live.exists)
    assert left.alive(left.written + 1, "elsewhere", live.exists)  # who cannot see processes
    assert not left.alive(left.written + live.SILENCE, "elsewhere", live.exists)

    from nas.run import open_run

    run = open_run(tmp_path / "run")
    watched = Watched(run, Clock(), 1.0)
    loop_of(run).go(watched)
    again = watched.moments[0]
    assert again is not None
    assert again.pid == os.getpid()
    assert again.alive(again.written + 1, HERE, live.exists)


@pytest.mark.parametrize(
    ("later", "host", "process", "alive"),
    [
        (0, "there", True, True),
        (59, "there", True, True),
        (60, "there", True, False),
        (-59, "there", True, True),
        (-60, "there", True, False),  # the clock was put back: nobody knows how old it is
        (1, "there", False, False),
        (1, "elsewhere", False, True),
        (60, "elsewhere", False, False),
    ],
)
def test_when_a_driver_counts_as_alive(later: float, host: str, process: bool, alive: bool) -> None:
    moment = Moment("there", 7, 1e9, 1, 0, 4, None, 1, (), False)
    assert moment.alive(1e9 + later, host, lambda pid: process and pid == 7) is alive
    assert not replace(moment, closed=True).alive(1e9 + later, host, lambda pid: True)


def test_processes_exist_or_not() -> None:
    assert live.exists(os.getpid())
    assert live.exists(1)  # of root, whoever asks
    assert not live.exists(2**31 - 1)
    assert not live.exists(10**30)


GOOD = {
    "host": "here", "pid": 7, "written": 1e9, "workers": 2, "done": 0, "total": 4,
    "seconds_left": None, "epochs": 3, "closed": False,
    "running": [{"trial": 0, "key": "k", "losses": [2, 1.5]}],
}  # fmt: skip


def test_what_is_written_is_read(tmp_path: Path) -> None:
    (tmp_path / live.FILE).write_text(json.dumps(GOOD))
    found = live.read(tmp_path)
    assert found == Moment("here", 7, 1e9, 2, 0, 4, None, 3, (Underway(0, "k", (2.0, 1.5)),), False)
    assert hash(found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pid": 0},
        {"pid": -1},
        {"pid": "7"},
        {"written": "NaN"},
        {"written": math.nan},
        {"seconds_left": math.inf},
        {"seconds_left": -1.0},
        {"running": [{"trial": 0, "key": "k"}]},
        {"running": [{"trial": 0, "key": "k", "losses": [math.nan]}]},
        {"running": None},
        {"closed": 1},
        {"host": None},
    ],
    ids=str,
)
def test_damaged_values_are_as_none(tmp_path: Path, wrong: dict[str, Any]) -> None:
    (tmp_path / live.FILE).write_text(json.dumps(GOOD | wrong))
    assert live.read(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"pid": 1}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, content: bytes) -> None:
    assert live.read(tmp_path) is None
    (tmp_path / live.FILE).write_bytes(content)
    assert live.read(tmp_path) is None
    (tmp_path / live.FILE).unlink()
    (tmp_path / live.FILE).mkdir()
    assert live.read(tmp_path) is None


def test_a_search_goes_on_where_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(tmp_path, trials=3, controller="random")
    write = atomic.write

    def full(path: Path, data: bytes, **options: Any) -> None:
        if path.name == live.FILE:
            raise OSError(28, "No space left on device")
        write(path, data, **options)

    monkeypatch.setattr(atomic, "write", full)
    loop_of(run).go(Table())
    assert {record.state for record in run.records()} == {"complete"}
    assert live.read(run.path) is None


def test_a_loss_that_is_no_number_is_not_written_and_stops_nothing(tmp_path: Path) -> None:
    writer = live.Writer(tmp_path, lambda: 0.0, lambda: 1e9)
    told: dict[str, Any] = {"workers": 1, "done": 0, "total": 1, "seconds_left": None, "epochs": 1}
    writer.say(**told, running=(Underway(0, "k", (math.nan,)),))
    assert list(tmp_path.iterdir()) == []
