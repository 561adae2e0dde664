"""The page and its data over HTTP, for this machine alone; see `safety`."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from nas.dashboard import answers, page_files, safety
from nas.dashboard.hub import Hub
from nas.dashboard.workshop import Workshop
from nas.errors import UserError
from search_spaces.errors import SpaceError

MISTAKES = (UserError, SpaceError)
_KNOWN = 64  # answers about trials that are kept, so that going back to a network is instant


class _Json(JSONResponse):
    """JSON in ASCII: an error may hold what is no text, such as half a character of a file name."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


class Server:
    """The routes over the runs of a hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._workshop = Workshop()
        self._known: dict[tuple[str, int, str], Any] = {}
        self._importances: dict[str, tuple[tuple[float, int], Any]] = {}

    def app(self) -> ASGIApp:
        """The ASGI application; its life is the hub's."""

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            self._hub.start()
            yield
            await run_in_threadpool(self._hub.stop)

        trial = "/api/runs/{run}/trials/{trial:int}"
        routes = [
            Route("/", self.index),
            Route("/plotly.min.js", self.plotly),
            Route("/api/runs", self.runs),
            Route("/api/events", self.events),
            Route("/api/runs/{run}", self.run),
            Route("/api/runs/{run}/importances", self.importances),
            Route("/api/runs/{run}/published", self.published),
            Route("/api/runs/{run}/files/{path:path}", self.file),
            Route(trial, self.detail),
            Route(trial + "/config", self.config),
            Route(trial + "/images/{exit:int}.png", self.picture),
            Route("/page/first.js", self.first),
            Route("/page/rest.js", self.rest),
            Mount("/page", StaticFiles(directory=page_files.FOLDER)),
        ]
        refusals: dict[Any, Any] = dict.fromkeys((*MISTAKES, HTTPException), _refused)
        inner = Starlette(
            routes=routes,
            exception_handlers=refusals | {Exception: _failed},
            lifespan=lifespan,
        )
        # Around all of it: Starlette answers what fails before any middleware of its own.
        return safety.Guarded(inner)

    async def index(self, request: Request) -> Response:
        # Whoever opens the page will look at networks, for which torch takes seconds to import.
        warm = BackgroundTask(self._workshop.warm, answers.ready)
        return HTMLResponse(page_files.index(), background=warm)

    async def first(self, request: Request) -> Response:
        return Response(page_files.first(), media_type="text/javascript")

    async def rest(self, request: Request) -> Response:
        return Response(page_files.rest(), media_type="text/javascript")

    async def plotly(self, request: Request) -> Response:
        return FileResponse(page_files.PLOTLY)

    async def runs(self, request: Request) -> Response:
        return _Json({"runs": self._hub.heads(), "refused": self._hub.refused})

    async def run(self, request: Request) -> Response:
        name = self._name(request)
        return await run_in_threadpool(lambda: _Json(self._hub.document(name)))

    async def events(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return StreamingResponse(self._hub.listen(), media_type="text/event-stream")

    async def detail(self, request: Request) -> Response:
        return _Json(await self._of_trial(request, answers.detail))

    async def config(self, request: Request) -> Response:
        text = await self._of_trial(request, answers.config, _row(request))
        return Response(text, media_type="application/yaml")

    async def picture(self, request: Request) -> Response:
        """A sheet, or why there is none: images that are no longer here are no failed request."""
        wanted = (_row(request), request.path_params["exit"])
        try:
            sheet = await self._of_trial(request, answers.picture, *wanted)
        except UserError as error:
            return _Json({"error": " ".join(str(error).split())})
        return Response(sheet, media_type="image/png")

    async def importances(self, request: Request) -> Response:
        name = self._name(request)
        watch = self._hub.watch(name)
        state = (watch.head["made"], self._hub.complete(name))
        known = self._importances.get(name)
        if known is None or known[0] != state:
            found = await self._workshop.call(answers.importance, watch.run.path)
            known = self._importances[name] = (state, found)
        return _Json(known[1])

    async def published(self, request: Request) -> Response:
        path = self._hub.watch(self._name(request)).run.path
        return _Json(await self._workshop.call(answers.published, path))

    async def file(self, request: Request) -> Response:
        run = self._hub.watch(self._name(request)).run
        try:
            path = safety.inside(run.path, request.path_params["path"])
        except UserError as error:
            raise HTTPException(404, str(error)) from None
        return FileResponse(path, filename=path.name)

    def dismiss(self) -> None:
        """End every stream of events, and work that takes long."""
        self._hub.dismiss()
        self._workshop.close()

    def _name(self, request: Request) -> str:
        name = str(request.path_params["run"])
        if not self._hub.knows(name):
            raise HTTPException(404, f"no run {name!r} is shown here")
        return name

    async def _of_trial(self, request: Request, find: Callable[..., Any], *arguments: Any) -> Any:
        """What `find` says of a trial, which is remembered while the trial does not change."""
        name, number = self._name(request), int(request.path_params["trial"])
        watch = self._hub.watch(name)
        state = (watch.trials.get(number) or {}).get("state")
        key = (name, number, f"{watch.head['made']} {state} {find.__name__} {arguments}")
        if key not in self._known:
            found = await self._workshop.call(find, watch.run.path, number, *arguments)
            while len(self._known) >= _KNOWN:
                self._known.pop(next(iter(self._known)))
            self._known[key] = found
            return found
        return self._known[key]


def _row(request: Request) -> int | None:
    text = request.query_params.get("policy", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HTTPException(400, f"policy {text!r}: give the number of a row")
    return int(text) if text else None


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    said = error.detail if isinstance(error, HTTPException) else str(error)
    return _Json({"error": " ".join(said.split())}, status)


async def _failed(request: Request, error: Exception) -> Response:
    """A mistake of ours; its traceback is on the server's standard error."""
    return _Json({"error": f"the server failed ({type(error).__name__})"}, 500)
