"""The lane, with real processes: who waits for whom, and what a killed process leaves behind.

A process that must not move is watched for a while; everything else is waited for without a limit
of its own, so no test depends on how fast the machine is.
"""

import fcntl
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from latency.errors import LatencyError
from latency.lane import ROOM, TURNSTILE, Lane, of_this_host

ROOT = Path(__file__).parents[2]
A_WHILE = 0.15

TRAINER = """
import sys, time
from pathlib import Path
from latency.lane import Lane
lane, log = Lane(Path(sys.argv[1])), open(sys.argv[2], "a", buffering=1)
while True:
    with lane.training():
        log.write("in\\n")
        time.sleep(0.01)
        log.write("out\\n")
"""

HOLDER = """
import os, sys, time
from pathlib import Path
from latency.lane import Lane
with getattr(Lane(Path(sys.argv[1])), sys.argv[2])():
    if sys.argv[3:] == ["fork"] and os.fork() == 0:
        print(os.getpid(), flush=True)
    elif not sys.argv[3:]:
        print(os.getpid(), flush=True)
    time.sleep(3600)
"""

FORKER = """
import os, sys, time
from contextlib import ExitStack
from pathlib import Path
from latency.lane import Lane
lane, stack = Lane(Path(sys.argv[1])), ExitStack()
stack.enter_context(lane.measuring())
child = os.fork()
if child == 0:
    stack.close()
    with lane.training():
        print("child is in", flush=True)
    sys.exit()
time.sleep(0.15)
print("parent leaves", flush=True)
stack.close()
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path / "lane")


@contextmanager
def process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


@contextmanager
def holder(lane: Lane, role: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a process that is in the lane; give it, and the pid that it printed."""
    with process(HOLDER, str(lane.path), role, *options) as running:
        assert running.stdout is not None
        yield running, int(running.stdout.readline())


def until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.002)


def is_taken(path: Path) -> bool:
    """Return whether anybody holds this lock."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class Waiter:
    """A thread that goes into the lane, says so, and stays there until it is told to leave."""

    def __init__(self, lane: Lane, role: str) -> None:
        self.entered = threading.Event()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(lane, role), daemon=True)
        self._thread.start()

    def _run(self, lane: Lane, role: str) -> None:
        with getattr(lane, role)():
            self.entered.set()
            self._leave.wait()

    def leave(self) -> None:
        self._leave.set()
        self._thread.join()


def test_a_trainer_stops_between_batches_and_goes_on(lane: Lane, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    with process(TRAINER, str(lane.path), str(log)):
        until(lambda: log.read_text().count("out") >= 3)
        for _ in range(3):
            with lane.measuring():
                before = log.read_text()
                time.sleep(A_WHILE)
                assert log.read_text() == before
                assert before.endswith("out\n")
            batches = before.count("out")
            until(lambda batches=batches: log.read_text().count("out") > batches + 2)  # type: ignore[misc]


def test_many_trainers_cannot_starve_a_measurement(lane: Lane, tmp_path: Path) -> None:
    logs = [tmp_path / f"log{index}" for index in range(3)]
    for log in logs:
        log.touch()
    with (
        process(TRAINER, str(lane.path), str(logs[0])),
        process(TRAINER, str(lane.path), str(logs[1])),
        process(TRAINER, str(lane.path), str(logs[2])),
    ):
        until(lambda: all("out" in log.read_text() for log in logs))
        with lane.measuring():
            assert all(log.read_text().endswith("out\n") for log in logs)


def test_trainers_share_the_lane(lane: Lane) -> None:
    waiters = [Waiter(lane, "training") for _ in range(3)]
    for waiter in waiters:
        waiter.entered.wait()
    for waiter in waiters:
        waiter.leave()


def test_measurements_exclude_each_other(lane: Lane) -> None:
    with lane.measuring():
        waiter = Waiter(lane, "measuring")
        assert not waiter.entered.wait(A_WHILE)
    waiter.entered.wait()
    waiter.leave()


def test_a_new_trainer_queues_behind_a_waiting_measurement(lane: Lane) -> None:
    first = Waiter(lane, "training")
    first.entered.wait()
    measurement = Waiter(lane, "measuring")
    until(lambda: is_taken(lane.path / TURNSTILE))
    second = Waiter(lane, "training")
    assert not second.entered.wait(A_WHILE)
    assert not measurement.entered.is_set()
    first.leave()
    measurement.entered.wait()
    assert not second.entered.wait(A_WHILE)
    measurement.leave()
    second.entered.wait()
    second.leave()


@pytest.mark.parametrize("role", ["measuring", "training"])
def test_a_killed_holder_frees_the_lane(lane: Lane, role: str) -> None:
    with holder(lane, role) as (running, _):
        assert is_taken(lane.path / ROOM)
        running.send_signal(signal.SIGKILL)
        running.wait()
        with lane.measuring():
            pass


def test_a_killed_measurement_lets_a_waiting_trainer_go_on(lane: Lane) -> None:
    with holder(lane, "measuring") as (running, _):
        trainer = Waiter(lane, "training")
        assert not trainer.entered.wait(A_WHILE)
        running.send_signal(signal.SIGKILL)
        trainer.entered.wait()
        trainer.leave()


@pytest.mark.parametrize("role", ["measuring", "training"])
def test_a_forked_child_keeps_nothing(lane: Lane, role: str) -> None:
    with holder(lane, role, "fork") as (running, child):
        try:
            assert is_taken(lane.path / ROOM)
            running.send_signal(signal.SIGKILL)
            running.wait()
            os.kill(child, 0)  # the child lives on
            assert not is_taken(lane.path / ROOM)
            assert not is_taken(lane.path / TURNSTILE)
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_forked_child_that_leaves_lets_its_parent_keep_the_lane(lane: Lane) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FORKER, str(lane.path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "parent leaves\nchild is in\n"


@pytest.mark.parametrize("name", [TURNSTILE, ROOM])
def test_a_lock_file_removed_meanwhile_is_made_again(lane: Lane, name: str) -> None:
    with lane.measuring():
        waiter = Waiter(lane, "measuring")
        assert not waiter.entered.wait(A_WHILE)
        (lane.path / name).unlink()
    waiter.entered.wait()
    assert is_taken(lane.path / name)
    waiter.leave()


def test_an_error_inside_frees_the_lane(lane: Lane) -> None:
    for enter in (lane.measuring, lane.training):
        with pytest.raises(ZeroDivisionError), enter():
            raise ZeroDivisionError
        assert not is_taken(lane.path / ROOM)
        assert not is_taken(lane.path / TURNSTILE)


def test_no_file_stays_open(lane: Lane) -> None:
    with lane.training():
        pass
    before = open_files()
    for _ in range(20):
        with lane.training():
            pass
        with lane.measuring():
            pass
    assert open_files() == before


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_contention_is_reported(lane: Lane) -> None:
    ticks = iter((10.0, 10.25))
    with lane.measuring(clock=lambda: next(ticks)) as passage:
        assert not passage.contended
        assert passage.waited_ms == 250
    trainer = Waiter(lane, "training")
    trainer.entered.wait()
    threading.Timer(A_WHILE, trainer.leave).start()
    with lane.measuring() as passage:
        assert passage.contended


@pytest.mark.parametrize("outer", ["measuring", "training"])
@pytest.mark.parametrize("inner", ["measuring", "training"])
def test_entering_twice_is_an_error_rather_than_a_deadlock(
    lane: Lane, outer: str, inner: str
) -> None:
    with (
        getattr(lane, outer)(),
        pytest.raises(AssertionError, match="entered again"),
        getattr(lane, inner)(),
    ):
        pass


def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with (
            pytest.raises(LatencyError, match="not a folder of this user"),
            Lane(tmp_path / name).training(),
        ):
            pass


def test_the_default_is_private_and_the_same_in_every_process() -> None:
    code = "from latency.lane import Lane; print(Lane().path)"
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == str(of_this_host())
    assert Lane().path == of_this_host()
    with Lane().training():
        assert Lane().path.stat().st_mode & 0o777 == 0o700


def test_a_lane_travels_to_another_process(lane: Lane) -> None:
    assert pickle.loads(pickle.dumps(lane)) == lane
