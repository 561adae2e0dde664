"""Whether the head of a Ray still listens: without it nothing starts, and Ray ends the driver."""

import socket
import time
from collections.abc import Callable

from nas.errors import UserError

EVERY_S = 5.0
"""Seconds between two looks."""
GONE_S = 30.0
"""Of silence; Ray itself ends the process after 60 s, without a word of how to go on."""
_CONNECT_S = 1.0


class Head:
    """The head at an address, HOST:PORT or ray://HOST:PORT. clock: seconds, monotonic."""

    def __init__(self, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._address, self._clock = address, clock
        self._looked = clock()
        self._silent_since: float | None = None

    def check(self, patience: float = GONE_S) -> None:
        """Raises UserError when nobody has listened for `patience` seconds."""
        now = self._clock()
        if patience and now - self._looked < EVERY_S:
            return
        self._looked = now
        try:
            reach(self._address, _CONNECT_S)
            self._silent_since = None
        except OSError as error:
            self._silent_since = now if self._silent_since is None else self._silent_since
            if now - self._silent_since >= patience:
                raise UserError(
                    f"Ray's head at {self._address} is gone ({error}); nas resume goes on once it "
                    "is back, or on another Ray that ray_address in the run's search.yaml names"
                ) from None


def reach(address: str, timeout: float) -> None:
    """Returns if somebody listens at HOST:PORT or ray://HOST:PORT, or it names neither.

    Raises OSError, OverflowError for a port that is none.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=timeout).close()
