"""One process beside the server for answers that take torch, data or seconds.

The server stays small and quick while it works, and its memory is free again when nobody has
asked for a while.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from nas.errors import UserError

IDLE_S = 600.0


class Workshop:
    """Calls functions in a process that is started when it is needed; one call at a time.

    Made and used in one event loop.
    """

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        self._pool: ProcessPoolExecutor | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._calls = 0

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function (of a module) returns; raises what it raises.

        Raises UserError where its process was ended, by the system for want of memory perhaps.
        """
        loop = asyncio.get_running_loop()
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        pool = self._pool = self._pool or ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), _belong
        )
        self._calls += 1
        try:
            return await loop.run_in_executor(pool, function, *arguments)
        except BrokenProcessPool:
            if self._pool is pool:  # else another call has already begun anew
                self._pool = None
            raise UserError("the process that works on this was ended; try again") from None
        finally:
            self._calls -= 1
            if not self._calls:
                self._closing = loop.call_later(self._idle_s, self.close)

    async def warm(self, function: Callable[..., Any]) -> None:
        """Have the process ready for a call to come, by calling what imports all it needs."""
        if self._pool is None:
            with contextlib.suppress(UserError):
                await self.call(function)

    def close(self) -> None:
        """End the process at once, also amid a call."""
        if self._pool is None:
            return
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = None
        for child in multiprocessing.active_children():
            child.terminate()


def _belong() -> None:
    """Ctrl-C reaches all processes of a terminal; the server ends this one, or dies before it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_server, daemon=True).start()


def _end_with_server() -> None:
    server = multiprocessing.parent_process()
    assert server is not None
    server.join()
    os._exit(1)
