"""A CUDA device: which one is meant, how work gets there, and how it is timed on one stream."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Protocol

import torch

from latency.errors import LatencyError
from latency.runtimes.building import Built


class Event(Protocol):
    """A mark on a stream, as ``torch.cuda.Event`` is one."""

    def record(self) -> None:
        """Set the mark behind all that was launched so far."""

    def elapsed_time(self, end_event: Any) -> float:
        """Return the milliseconds from this mark to a later one; the device has passed both."""


def _event() -> Event:
    made: Event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    return made


class Stopwatch:
    """Events behind one another on a stream, used again in every pass.

    event: makes one. synchronise: waits until the device has passed them all.
    """

    def __init__(
        self,
        event: Callable[[], Event] = _event,
        synchronise: Callable[[], None] = lambda: torch.cuda.current_stream().synchronize(),
    ) -> None:
        self._make, self._synchronise = event, synchronise
        self._events: list[Event] = []
        self._used = 0

    def start(self) -> None:
        """Begin a pass, once the device has nothing left to do."""
        self._synchronise()
        self._used = 0
        self.mark()

    def mark(self) -> None:
        """End a part here."""
        if self._used == len(self._events):
            self._events.append(self._make())
        self._events[self._used].record()
        self._used += 1

    def move(self) -> None:
        """End the latest part here, not where it was marked."""
        self._events[self._used - 1].record()

    def read(self) -> list[float]:
        """Wait for the device; return the milliseconds of the parts of this pass."""
        self._synchronise()
        return [one.elapsed_time(two) for one, two in pairwise(self._events[: self._used])]


def index_of(runtime: str, device: str) -> int:
    """Return which CUDA device ``cuda`` (the first) or ``cuda:N`` is. Raises LatencyError."""
    kind, colon, number = device.partition(":")
    if kind != "cuda" or (colon and not (number.isascii() and number.isdigit())):
        raise LatencyError(f"runtime {runtime!r} has no device {device!r}: choose cuda or cuda:N")
    if not torch.cuda.is_available():
        raise LatencyError("no CUDA device is visible")
    index, count = int(number or 0), torch.cuda.device_count()
    if index >= count:
        last = count - 1
        raise LatencyError(f"no CUDA device {device!r} is visible: the last one is cuda:{last}")
    return index


def uuid(index: int) -> str:
    """Return the name under which ``nvidia-smi`` knows a device, whatever is visible to us."""
    return f"GPU-{torch.cuda.get_device_properties(index).uuid}"


def on_device(built: Built, device: torch.device, batch: int) -> Built:
    """Move a piece to a device, its one image ``batch`` times."""
    given = {
        name: tensor.repeat(batch, *[1] * (tensor.dim() - 1)).to(device)
        for name, tensor in built.given.items()
    }
    return Built([stage.to(device) for stage in built.stages], given)


@contextmanager
def steady(index: int) -> Iterator[None]:
    """Run on a device without gradients, with cuDNN's choice by trial; afterwards as before.

    index: a negative one leaves the current device as it is.
    """
    chosen = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        with torch.cuda.device(index), torch.inference_mode():
            yield
    finally:
        torch.backends.cudnn.benchmark = chosen
