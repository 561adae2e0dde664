"""The dashboard from start to end: a port taken, the page served until the user stops it."""

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import uvicorn

from nas.dashboard import safety
from nas.dashboard.hub import Hub
from nas.dashboard.server import Server
from nas.errors import UserError
from nas.run import Run


def serve(runs: Sequence[Run], folder: Path | None, port: int, say: Callable[[str], None]) -> bool:
    """Show `runs`, or all under `folder`, until Ctrl-C or SIGTERM; `say` hears the address.

    Returns whether all has ended; else a thread is amid the work of a library, and Python cannot
    end in order before that has. port: 0 for any that is free. Raises UserError where it cannot be
    had.
    """
    hub = Hub(runs, folder)
    listening = _taken(port)
    server = Server(hub)
    config = uvicorn.Config(
        server.app(),
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,  # seconds
    )
    say(f"http://{safety.ADDRESS}:{listening.getsockname()[1]}/")
    with contextlib.suppress(KeyboardInterrupt), _stopped_by(signal.SIGTERM):
        _Ending(config, server).run(sockets=[listening])
    return not hub.reading


class _Ending(uvicorn.Server):
    """Ends what takes long before it waits for the requests that are under way."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self._ours = server

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in order."""
        self._ours.dismiss()
        await super().shutdown(sockets)


@contextlib.contextmanager
def _stopped_by(number: signal.Signals) -> Iterator[None]:
    """Take a signal as Ctrl-C: uvicorn sends itself again, once it has ended, what ended it."""
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _taken(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((safety.ADDRESS, port))
        listening.listen()
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise UserError(
            f"port {port} cannot be had ({reason}); choose another with --port"
        ) from None
    return listening
