"""What the driver of a run says of the moment, for whoever watches: `live.json` in its folder.

The study holds what is to last. This file is worth nothing once the driver is gone, so that nothing
depends on it: it may be missing, old or damaged, and failing to write it stops no search.
"""

import json
import math
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from nas import atomic

FILE = "live.json"
SILENCE = 60.0  # seconds without a word after which a driver counts as gone
_HEARTBEAT = 5.0  # seconds between two words when nothing changes
_PAUSE = 1.0  # seconds between two words at least
_LARGEST = 2**20  # bytes; a thousand workers say as much

DONE = "all trials have ended"

RunState = Literal["running", "finished", "stopped", "empty"]


@dataclass(frozen=True, slots=True)
class Underway:
    """A trial that trains now. losses: mean training loss of each epoch so far."""

    trial: NonNegativeInt
    key: str
    losses: tuple[FiniteFloat, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """A search at one moment, as its driver sees it.

    host, pid: where the driver runs. written: seconds since the epoch, by the driver's clock.
    workers: trainings at a time. done, total: trials. epochs: of each trial. closed: the driver
    has ended in order, be it finished, stopped by the user or by a mistake. why: it has.
    """

    host: str
    pid: PositiveInt
    written: FiniteFloat
    workers: NonNegativeInt
    done: NonNegativeInt
    total: NonNegativeInt
    seconds_left: Annotated[FiniteFloat, Field(ge=0)] | None
    epochs: NonNegativeInt
    running: tuple[Underway, ...]
    closed: bool
    why: str = ""

    def alive(self, now: float, host: str, process_exists: Callable[[int], bool]) -> bool:
        """Whether the driver still drives, at `now` (seconds since the epoch), seen from `host`.

        process_exists: asked only about processes of this host, as `exists` below answers.
        """
        # A time ahead of ours is as bad as an old one: a clock that was put back since would keep
        # a driver alive that was killed before.
        if self.closed or abs(now - self.written) >= SILENCE:
            return False
        return self.host != host or process_exists(self.pid)


_MOMENT = TypeAdapter(Moment)


class Writer:
    """Writes the moments of one driver: at most one a second, and the last one at once.

    clock: seconds, monotonic. now: seconds since the epoch.
    """

    def __init__(
        self, run: Path, clock: Callable[[], float], now: Callable[[], float] = time.time
    ) -> None:
        self._path, self._clock, self._now = run / FILE, clock, now
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._last, self._said = -math.inf, ""
        self._behind = False

    @property
    def due(self) -> bool:
        """Whether something is to be said, by change or by time; cheap enough for every batch."""
        return self._clock() - self._last >= (_PAUSE if self._behind else _HEARTBEAT)

    def say(
        self,
        *,
        workers: int,
        done: int,
        total: int,
        seconds_left: float | None,
        epochs: int,
        running: tuple[Underway, ...],
        closed: bool = False,
        why: str = "",
    ) -> None:
        """Writes this if it is due; an OSError is nobody's concern."""
        moment = Moment(
            self._host,
            self._pid,
            self._now(),
            workers,
            done,
            total,
            seconds_left,
            epochs,
            running,
            closed,
            why,
        )
        said = repr(replace(moment, written=0.0, seconds_left=None))  # both change all the time
        self._behind = said != self._said
        if closed or self.due:
            self._last, self._said, self._behind = self._clock(), said, False
            _write(self._path, moment)


def _write(path: Path, moment: Moment) -> None:
    try:
        data = json.dumps(asdict(moment), allow_nan=False).encode()
        atomic.write(path, data, durable=False)
    except (OSError, ValueError):
        # A full disk, or a number that is none. Who watches sees the driver fall silent.
        pass


def read(run: Path) -> Moment | None:
    """What the driver of the run in folder `run` said last; None if missing or damaged."""
    try:
        with (run / FILE).open("rb") as file:
            return _MOMENT.validate_json(file.read(_LARGEST), strict=True)
    except (OSError, ValidationError):
        return None


def exists(pid: int) -> bool:
    """Whether this host has a process of this number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True


def driven(moment: Moment | None, now: float) -> bool:
    """Whether somebody drives the run at `now`, seconds since the epoch, seen from this host."""
    return moment is not None and moment.alive(now, socket.gethostname(), exists)


def run_state(alive: bool, trials: int, ended: int, asked: int) -> RunState:
    """What a run is doing: of its `trials` so many that count have `ended`, `asked` are wanted."""
    if alive:
        return "running"
    if trials == 0:
        return "empty"
    return "finished" if ended >= asked else "stopped"
