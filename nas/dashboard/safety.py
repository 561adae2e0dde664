"""What keeps the page to this machine and to itself.

The server listens on 127.0.0.1 alone and answers only to that name, so that no foreign page can
reach it by a name of its own (DNS rebinding). It answers GET and HEAD, and writes nothing.
"""

import re
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nas.errors import UserError

ADDRESS = "127.0.0.1"
METHODS = ("GET", "HEAD")
_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE)

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


class Guarded:
    """Passes on what asks this machine by its own name and changes nothing, and refuses the rest.

    Every answer has `HEADERS`, the errors too, so that nothing may stand around this.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = _refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)


def _refusal(scope: Scope) -> Response | None:
    host = Headers(scope=scope).get("host", "")
    if not _HOST.fullmatch(host):
        return JSONResponse({"error": f"this page is on {ADDRESS} alone, not on {host!r}"}, 400)
    if scope["method"] not in METHODS:
        said = {"error": f"{scope['method']} is refused: the runs are only read"}
        return JSONResponse(said, 405, {"Allow": ", ".join(METHODS)})
    return None


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
