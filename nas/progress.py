"""What long work says: a line that renews itself on a terminal, plain lines elsewhere.

Everything goes to standard error; standard output is for results.
"""

import sys
from dataclasses import dataclass
from typing import Protocol, TextIO

from nas.onnx_runner.terminal import printable


@dataclass(frozen=True, slots=True)
class Status:
    """A search at one moment. `running`: (trial, epochs done) of those under way."""

    done: int
    total: int
    failed: int
    reused: int
    pruned: int
    stopped: int
    best_reward: float | None
    running: tuple[tuple[int, int], ...]
    epochs: int
    seconds_left: float | None

    def __str__(self) -> str:
        parts = [f"{self.done}/{self.total} trials"]
        if self.best_reward is not None:
            parts.append(f"best reward {self.best_reward:.4f}")
        parts += [f"{count} {what}" for count, what in self._counts() if count]
        if self.running:
            at = ", ".join(f"{trial} ({done}/{self.epochs})" for trial, done in self.running)
            parts.append(f"training {at}")
        if self.seconds_left is not None:
            parts.append(f"{spoken(self.seconds_left)} left")
        return " · ".join(parts)

    def _counts(self) -> tuple[tuple[int, str], ...]:
        return (
            (self.reused, "reused"),
            (self.pruned, "beyond a limit"),
            (self.stopped, "stopped early"),
            (self.failed, "failed"),
        )


class Moment(Protocol):
    """Work at one moment, as a line of text. `done`: how many of its parts have ended."""

    @property
    def done(self) -> int: ...


class Progress(Protocol):
    """Where long work reports to."""

    def say(self, line: str) -> None:
        """Something that stays readable."""

    def show(self, status: Moment) -> None:
        """The state now; a later one replaces it."""

    def close(self) -> None:
        """Nothing more will come."""


class Silent:
    """Says nothing: the default of the Python interface."""

    def say(self, line: str) -> None: ...

    def show(self, status: Moment) -> None: ...

    def close(self) -> None: ...


class Lines:
    """One line whenever another part has ended."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._done = -1

    def say(self, line: str) -> None:
        print(printable(line), file=self._stream, flush=True)

    def show(self, status: Moment) -> None:
        if status.done > self._done:
            self._done = status.done
            self.say(str(status))

    def close(self) -> None: ...


class Live:
    """One line at the foot of the terminal, kept up to date."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._console = Console(file=stream, highlight=False)
        self._live = RichLive(console=self._console, refresh_per_second=4, transient=True)
        self._live.start()

    def say(self, line: str) -> None:
        self._console.print(printable(line), markup=False)

    def show(self, status: Moment) -> None:
        from rich.text import Text

        self._live.update(Text(str(status)))

    def close(self) -> None:
        self._live.stop()


def on(stream: TextIO = sys.stderr) -> Progress:
    """The progress that suits a stream."""
    return Live(stream) if stream.isatty() else Lines(stream)


def spoken(seconds: float) -> str:
    """A duration as people say it: 45 s, 3 min, 1 h 20 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
