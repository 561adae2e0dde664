"""The lane: while somebody measures on this host, everybody who trains on it stands still.

Kernel locks (flock(2)) on two files, so that a process that dies lets go, however it dies:

* ``room`` is held shared by trainers, one batch at a time, and exclusively by a measurement;
* ``turnstile`` is passed by everybody on the way into the room, and kept by a measurement until
  it has left. A trainer at the end of its batch therefore queues behind a waiting measurement, and
  no crowd of trainers can starve it (the readers-writers scheme of Downey, The Little Book of
  Semaphores, section 4.2.3).
"""

import fcntl
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from latency.errors import LatencyError

TURNSTILE = "turnstile"
ROOM = "room"


def of_this_host() -> Path:
    """Return the folder of the lane that all processes of this user on this host share."""
    return Path(tempfile.gettempdir()) / f"nas-lane-{os.getuid()}"


@dataclass(frozen=True, slots=True)
class Passage:
    """How a measurement got the lane: whether it met others there, and how long it waited."""

    contended: bool
    waited_ms: float


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane, named by the folder that holds its two lock files; picklable.

    Not re-entrant: a thread enters it again only after it has left.
    """

    path: Path = field(default_factory=of_this_host)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Hold the lane for one batch, beside other trainers; waits while somebody measures.

        Raises LatencyError when the folder of the lane is not ours.
        """
        with self._entered():
            with _held(self.path / TURNSTILE, fcntl.LOCK_SH):
                room = _acquire(self.path / ROOM, fcntl.LOCK_SH)
            try:
                yield
            finally:
                _release(room)

    @contextmanager
    def measuring(self, clock: Callable[[], float] = time.monotonic) -> Iterator[Passage]:
        """Hold the lane alone; waits until every trainer has ended its batch. Clock in seconds.

        Raises LatencyError when the folder of the lane is not ours.
        """
        start = clock()
        with (
            self._entered(),
            _held(self.path / TURNSTILE, fcntl.LOCK_EX) as turnstile,
            _held(self.path / ROOM, fcntl.LOCK_EX) as room,
        ):
            yield Passage(turnstile.contended or room.contended, 1000 * (clock() - start))

    @contextmanager
    def _entered(self) -> Iterator[None]:
        assert self.path not in _inside(), "a lane is entered again by the thread that is in it"
        _prepare(self.path)
        _inside().add(self.path)
        try:
            yield
        finally:
            _inside().discard(self.path)


@dataclass(frozen=True, slots=True)
class _Lock:
    """A lock that process ``pid`` holds through the open file ``fd``."""

    fd: int
    pid: int
    contended: bool


_open: set[int] = set()
_here = threading.local()


def _inside() -> set[Path]:
    """Return the lanes that this thread is in."""
    if not hasattr(_here, "lanes"):
        _here.lanes = set()
    lanes: set[Path] = _here.lanes
    return lanes


def _prepare(path: Path) -> None:
    with suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        # In a folder that all users write, somebody else may have taken the name.
        raise LatencyError(f"lane {path} is not a folder of this user: remove it or set TMPDIR")


@contextmanager
def _held(path: Path, mode: int) -> Iterator[_Lock]:
    lock = _acquire(path, mode)
    try:
        yield lock
    finally:
        _release(lock)


def _acquire(path: Path, mode: int) -> _Lock:
    contended = False
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        _open.add(fd)
        try:
            contended = _flock(fd, mode) or contended
            if _is_at(fd, path):
                return _Lock(fd, os.getpid(), contended)
        except BaseException:
            _close(fd)
            raise
        # A cleaner of temporary files took the file away while we waited: others lock a new one.
        _close(fd)


def _flock(fd: int, mode: int) -> bool:
    """Lock; return whether that needed waiting."""
    try:
        fcntl.flock(fd, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(fd, mode)
        return True
    return False


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _release(lock: _Lock) -> None:
    if lock.pid == os.getpid():
        # Unlocking first: closing alone lets go only when no forked copy is left.
        fcntl.flock(lock.fd, fcntl.LOCK_UN)
        _close(lock.fd)


def _close(fd: int) -> None:
    _open.discard(fd)
    os.close(fd)


def _forget_in_child() -> None:
    """Drop what a fork copied, or a child would keep the lane of a parent that was killed."""
    for fd in _open:
        os.close(fd)
    _open.clear()
    _inside().clear()


os.register_at_fork(after_in_child=_forget_in_child)
