"""Trials in the driver's own process, one at a time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nas.executors.protocol import Done, OnReport, Pause, attempt
from nas.executors.stalls import Limits, Watched
from nas.training.trial import TrialJob


class InlineExecutor:
    """Trains inside `completed`; simple to debug, and all there is where Ray cannot run.

    A trial beyond its time ends at its next batch; one that hangs within a batch nobody can end.
    """

    capacity = 1

    def __init__(
        self,
        pause: Pause,
        on_report: OnReport,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """clock: seconds, monotonic."""
        self._pause, self._on_report = pause, on_report
        self._limits, self._clock = limits or Limits(), clock
        self._job: tuple[TrialJob, bytes | None] | None = None

    def fits(self, memory: int) -> bool:
        return True

    def submit(self, job: TrialJob, begun: bytes | None = None, memory: int = 0) -> None:
        assert self._job is None, "one trial at a time"
        self._job = job, begun

    def completed(self, timeout: float) -> list[Done]:
        """Trains the submitted trial to its end, however long; passes Stopped from `pause` on."""
        if self._job is None:
            return []
        (job, begun), self._job = self._job, None
        return [attempt(job, self._timed(), self._on_report, begun=begun)]

    def close(self) -> None:
        self._job = None

    def _timed(self) -> Pause:
        """The pause, which ends the training of today once its time is over."""
        start = self._clock()
        watched, beats = Watched(start, started=start), 0

        @contextmanager
        def pause() -> Iterator[None]:
            nonlocal watched, beats
            now, beats = self._clock(), beats + 1
            watched = watched.heard(beats, now)
            if over := self._limits.over(watched, now):
                raise TimeoutError(over)
            with self._pause():
                yield

        return pause
