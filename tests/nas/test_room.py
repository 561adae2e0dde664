"""A disk that is full in the middle of a search: it waits, goes on, and nothing is lost."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nas import atomic, frame, judgements, live
from nas import loop as loop_module
from nas.interruption import Interruption, Stopped
from nas.room import Room
from nas.run import Run
from nas.store import Backoff
from tests.nas.table_search import Heard, Table, loop_of, made_run, small, store_of  # noqa: F401
from tests.nas.test_store_faults import make_room, no_room

WAITS = "the search waits until there is room"


class Disk:
    """Takes `takes` files, then none until somebody has waited `waits` times."""

    def __init__(self, takes: int, waits: int = 3) -> None:
        self.takes, self.waits, self._after = takes, waits, waits

    def write(self, path: Path, data: bytes, mode: int = 0o644, durable: bool = True) -> None:
        if path.name not in (live.FILE, judgements.FILE):  # which may be missing
            if self.takes == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.takes -= 1
        WRITE(path, data, mode, durable)

    def sleep(self, seconds: float) -> None:
        self.waits -= 1
        if self.waits == 0:
            self.takes, self.waits = 10**6, self._after


WRITE = atomic.write


def outcome(run: Run) -> list[dict[str, Any]]:
    shown = frame.trials(run.records(), run.objective())
    return shown[["trial", "state", "key", "accuracy", "reward"]].to_dict("records")


def files(folder: Path) -> set[Path]:
    """All but the database, beside which its log may still be."""
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {path for path in found if not path.name.startswith("study.db")}


@pytest.mark.parametrize("takes", [0, 1, 2, 5, 7])
def test_a_search_goes_on_as_if_nothing_had_been(
    tmp_path: Path, takes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made_run(tmp_path / "whole", trials=6, controller="random")
    loop_of(whole).go(Table())
    struck, heard, disk = (
        made_run(tmp_path / "struck", trials=6, controller="random"),
        Heard(),
        Disk(takes),
    )
    monkeypatch.setattr(atomic, "write", disk.write)
    monkeypatch.setattr(loop_module, "Room", lambda say, check: Room(say, check, disk.sleep))
    loop_of(struck, progress=heard).go(Table())
    assert outcome(struck) == outcome(whole)
    waits, goes_on = heard.lines
    assert waits.endswith(f"cannot be written (No space left on device): {WAITS}")
    assert str(struck.path) in waits
    assert goes_on == "there is room again, the search goes on"
    assert files(struck.path) == files(whole.path)


def test_who_waits_can_stop_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made_run(tmp_path / "whole", trials=6, controller="random")
    loop_of(whole).go(Table())
    run, disk, interruption = (
        made_run(tmp_path / "run", trials=6, controller="random"),
        Disk(4),
        Interruption(),
    )

    def asked(seconds: float) -> None:
        interruption.requested = True

    with monkeypatch.context() as full:
        full.setattr(atomic, "write", disk.write)
        full.setattr(loop_module, "Room", lambda say, check: Room(say, check, asked))
        assert loop_of(run, interruption=interruption).go(Table()) == "stopped by the user"
    loop_of(run).go(Table())
    assert outcome(run) == outcome(whole)


def test_a_database_waits_too(tmp_path: Path) -> None:
    run, heard, pauses = made_run(tmp_path, trials=4, controller="random"), Heard(), []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            make_room(store)

    store_of(run).close()  # makes the tables
    with no_room(tmp_path):
        store = store_of(run, Backoff(room=Room(heard.say, lambda: None, sleep)))
        loop_of(run, store=store).go(Table())
    assert len(pauses) == 3
    waits, goes_on = heard.lines
    assert waits.startswith("the trials in ")
    assert waits.endswith(f"study.db cannot be written (database or disk is full): {WAITS}")
    assert goes_on == "there is room again, the search goes on"
    assert [record.state for record in run.records()] == ["complete"] * 4


def test_what_is_no_matter_of_room_is_raised() -> None:
    def broken() -> None:
        raise OSError(errno.EIO, "Input/output error", "file")

    said: list[str] = []
    with pytest.raises(OSError, match="Input/output"):
        Room(said.append, lambda: None).written(Path("file"), broken)
    assert not said


def test_a_wait_ends_where_the_search_is_to_stop() -> None:
    def full() -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded", "file")

    def check() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        Room(print, check).written(Path("file"), full)


SEARCH = """
import os, sys
from pathlib import Path
import nas
from nas.progress import Silent

disk, filler = Path(sys.argv[1]), Path(sys.argv[1], "filler")


def fill() -> None:
    room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(bytes(max(0, room - int(sys.argv[2]))))


class Listener(Silent):
    full = False

    def show(self, status: object) -> None:
        if not self.full:
            fill()
        self.full = True

    def say(self, line: str) -> None:
        print(line, flush=True)
        if "waits until" in line:
            filler.unlink()


run = nas.search(
    "msd", data="digits", limit=100, epochs=2, trials=3, controller="random", runtime="macs",
    target_latency="1ms", max_macs="20M", executor=sys.argv[3], workers=1,
    out=str(disk / "results"), name="run", progress=Listener(),
)
print([(each.trial, each.state) for each in run.records()])
"""


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", "ray"])
@pytest.mark.parametrize("left", [0, 50_000, 400_000])
def test_a_disk_that_is_really_full(tmp_path: Path, left: int, executor: str) -> None:
    """A file system of its own of 30 MB, in a namespace that ends with the search."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = tmp_path / "search.py"
    script.write_text(SEARCH)
    mounted = (
        f"mount -t tmpfs -o size=30m none {disk} && exec {sys.executable} {script} {disk} {left}"
    )
    unshare = shutil.which("unshare")
    assert unshare is not None, "needs unshare of util-linux"
    done = subprocess.run(
        [unshare, "-Urm", "sh", "-c", f"{mounted} {executor}"],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{disk}/results/run/" in done.stdout.partition(f": {WAITS}")[0]
    assert done.stdout.count(WAITS) == done.stdout.count("there is room again") >= 1
    assert "[(0, 'complete'), (1, 'complete'), (2, 'complete')]" in done.stdout
