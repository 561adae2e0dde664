"""What a full training says while it runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.progress import Progress, spoken

if TYPE_CHECKING:
    from nas.training.curves import Epoch


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """A training at one moment. `done`: whole epochs; `batch` of `batches` in the one under way."""

    done: int
    total: int
    batch: int
    batches: int
    last: "Epoch | None"
    best: "Epoch | None"
    seconds_left: float | None

    def __str__(self) -> str:
        parts = [f"epoch {self.done}/{self.total}"]
        if self.last is not None:
            exits = " ".join(f"{100 * each:.1f}" for each in self.last.accuracy)
            parts += [f"loss {self.last.loss:.4f}", f"held-out accuracy {exits} %"]
        if self.best is not None:
            parts.append(f"best {self.best.metric:.4f} (epoch {self.best.epoch})")
        if self.batch:
            parts.append(f"batch {self.batch}/{self.batches}")
        if self.seconds_left is not None:
            parts.append(f"{spoken(self.seconds_left)} left")
        return " · ".join(parts)


class Reporter:
    """Turns the events of a training into lines. clock: seconds."""

    def __init__(
        self, progress: Progress, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._progress, self._total, self._clock = progress, total, clock
        self._epochs: list[Epoch] = []
        self._shown = -1.0

    def batch(self, epoch: int, batch: int, batches: int) -> None:
        """Another batch of an epoch; four times a second is often enough."""
        if (now := self._clock()) - self._shown >= 0.25:
            self._shown = now
            self._show(epoch - 1, batch, batches)

    def found(self, epochs: "tuple[Epoch, ...]") -> None:
        """It goes on after these."""
        self._epochs += epochs
        self._progress.say(f"going on after epoch {len(epochs)} of {self._total}")

    def epoch(self, epoch: "Epoch") -> None:
        """An epoch has ended."""
        self._epochs.append(epoch)
        self._show(epoch.epoch, 0, 0)

    def _show(self, done: int, batch: int, batches: int) -> None:
        known = self._epochs
        best = max(known, key=lambda epoch: (epoch.metric, -epoch.epoch), default=None)
        left = None
        if known:
            each = sum(epoch.seconds for epoch in known) / len(known)
            left = each * (self._total - done - (batch / batches if batches else 0))
        last = known[-1] if known else None
        self._progress.show(TrainingStatus(done, self._total, batch, batches, last, best, left))
