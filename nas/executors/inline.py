"""Trials in the driver's own process, one at a time."""

from nas.executors.protocol import Done, OnEpoch, Pause, attempt
from nas.training.trial import TrialJob


class InlineExecutor:
    """Trains inside `completed`; simple to debug, and all there is where Ray cannot run."""

    capacity = 1

    def __init__(self, pause: Pause, on_epoch: OnEpoch) -> None:
        self._pause = pause
        self._on_epoch = on_epoch
        self._job: TrialJob | None = None

    def submit(self, job: TrialJob) -> None:
        assert self._job is None, "one trial at a time"
        self._job = job

    def completed(self, timeout: float) -> list[Done]:
        """Trains the submitted trial to its end, however long; passes Stopped from `pause` on."""
        if self._job is None:
            return []
        job, self._job = self._job, None
        return [attempt(job, self._pause, self._on_epoch)]

    def close(self) -> None:
        self._job = None
