"""The agent of a device on another host: it lives there and measures what it is sent.

A node offers a device as the custom resource ``nas_device:NAME``. Ray only counts resources, so
every caller gets an agent of its own, and the agents of a host take turns by a lock on it.
"""

import fcntl
import os
import tempfile
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from latency import canary
from latency.bench import Batch, Bench, Said
from latency.blocks import BlockKey
from latency.errors import LatencyError
from latency.fingerprint import Fingerprint
from latency.protocol import Protocol
from latency.runtimes.runtime import Piece
from nas import plugins
from search_spaces.blocks import BlockGraph

RESOURCE = "nas_device:"
"""What stands before a device's name in the resource of its node."""

SHARE = 0.001
"""How much of the resource an agent takes: enough that Ray puts it there, and seldom too much."""

_HEARTBEAT = Protocol(rounds=3, most_rounds=3)


class DeviceAgent:
    """A runtime on a device of the host where this runs; called by one driver, a call at a time.

    While it measures it can be asked what it ``said`` last. What is wrong with the runtime there
    shows in the first call that needs it.
    """

    def __init__(self, runtime: str, device: str, door: Path | None = None) -> None:
        self._runtime, self._device = runtime, device
        self._said: Said | None = None
        self._turn = Turn(door or Path(tempfile.gettempdir()) / f"nas-device-{os.getuid()}.lock")

    @cached_property
    def _bench(self) -> Bench:
        return plugins.bench(self._runtime, self._device)

    def fingerprint(self) -> Fingerprint:
        """Return all that a figure measured here depends on."""
        return self._bench.fingerprint()

    def protocol(self) -> Protocol:
        """Return the protocol that suits the runtime."""
        return self._bench.protocol

    def blocks(self, graphs: Sequence[BlockGraph]) -> dict[BlockKey, bool]:
        """Return all blocks of networks in the layouts of their inputs; see ``Bench.blocks``."""
        try:
            return self._bench.blocks(graphs, self._hear)
        finally:
            self._said = None

    def heartbeat(self) -> float:
        """Return the milliseconds that the canary takes here now."""
        taken = self._bench.measure([canary.piece()], 0, _HEARTBEAT).taken
        return canary.floor_ms(taken.canary)

    def take_turn(self, wait_s: float) -> bool:
        """Wait up to so many seconds for this agent's turn, which lasts until it has measured."""
        return self._turn.taken(wait_s)

    def measure(self, pieces: Sequence[Piece], seed: int, protocol: Protocol | None) -> Batch:
        """Measure pieces together, and let the next agent have its turn. Raises LatencyError."""
        try:
            return self._bench.measure(pieces, seed, protocol, self._hear)
        finally:
            self._said = None
            self._turn.end()

    def said(self) -> Said | None:
        """Return how far the work under way is, as a bench says it; None where there is none."""
        return self._said

    def _hear(self, what: str, done: int, of: int) -> None:
        self._said = (what, done, of)


class Turn:
    """One agent at a time on a host. The kernel ends the turn of an agent that dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._refused: OSError | None = None
        self._queueing: threading.Thread | None = None

    def taken(self, wait_s: float) -> bool:
        """Whether it is ours, after up to so many seconds; the place in the queue is kept.

        Raises LatencyError where the lock cannot be had at all.
        """
        if self._queueing is None:
            # The lock queues whoever waits in it, and cannot be waited for with a limit.
            self._queueing = threading.Thread(target=self._lock, daemon=True)
            self._queueing.start()
        self._queueing.join(wait_s)
        if self._refused is not None:
            refused, self._queueing, self._refused = self._refused, None, None
            raise LatencyError(f"lock {self._path}: {refused.strerror}") from refused
        return self._fd is not None

    def end(self) -> None:
        """Let the next one in."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = self._queueing = None

    def _lock(self) -> None:
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError as error:
            self._refused = error
        else:
            self._fd = fd


def place(name: str, device: str) -> dict[str, Any]:
    """Return the options by which Ray puts an agent, or a question, on the node of a device."""
    # A GPU is asked of Ray as well: it shows a process no other GPUs than its own. A share of it,
    # as agents take turns.
    gpus = SHARE if device == "cuda" else 0
    return {"num_cpus": 0, "num_gpus": gpus, "resources": {RESOURCE + name: SHARE}}
