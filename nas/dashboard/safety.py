"""What keeps the page to this machine and to itself.

The server listens on 127.0.0.1 alone and answers only to that name, so that no foreign page can
reach it by a name of its own (DNS rebinding). It answers GET and HEAD, and writes nothing.
"""

from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nas.errors import UserError

ADDRESS = "127.0.0.1"
HOSTS = (ADDRESS, "localhost")

# Plotly sets styles on elements; scripts come from this server alone, and none from text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class SafeHeaders:
    """Adds `HEADERS` to every answer, errors too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its answer with the headers."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def inside(folder: Path, name: str) -> Path:
    """A file in a folder that everybody may read. Raises UserError for any other.

    Links are followed before they are judged. What its owner keeps from others (settings with the
    password of a database) is not handed out either: every user of this machine reaches the port.
    """
    root = folder.resolve()
    try:
        path = (root / name).resolve()
        allowed = path.is_relative_to(root) and path.is_file() and path.stat().st_mode & 0o004
    except (OSError, ValueError):
        allowed = False
    if not allowed:
        raise UserError(f"there is no file {name!r} in this run's folder that may be handed out")
    return path
