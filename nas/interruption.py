"""Ctrl-C without losing anything: the first signal asks the search to stop, the second ends it."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Stopped(BaseException):
    """A trial was left in the middle because the search is to stop; nothing is wrong with it."""


class Interruption:
    """Whether the user asked to stop."""

    def __init__(self) -> None:
        self.requested = False

    def check(self) -> None:
        """Raises Stopped once the user asked to stop."""
        if self.requested:
            raise Stopped

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Takes SIGINT and SIGTERM as requests; outside the main thread, does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._handle) for number in signals]
        try:
            yield
        finally:
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)

    def listen_again(self) -> None:
        """Takes SIGTERM back from a library that took it for itself, as Ray does."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
