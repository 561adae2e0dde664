"""The page and its data over HTTP, for this machine alone; see `safety`."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
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

from nas.dashboard import configs, detail, page_files, pictures, safety
from nas.dashboard.hub import Hub
from nas.errors import UserError
from nas.record import TrialRecord
from nas.run import Run
from search_spaces.errors import SpaceError

MISTAKES = (UserError, SpaceError)
_DETAILS = 64  # details kept, so that going back to a network is instant


class Server:
    """The routes over the runs of a hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._details: dict[tuple[str, int, str], Any] = {}
        self._importances: dict[str, tuple[int, Any]] = {}
        self._process: asyncio.subprocess.Process | None = None
        # One heavy answer of a kind at a time: the machine is searching.
        self._working, self._weighing = asyncio.Lock(), asyncio.Lock()

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
            Route("/api/runs/{run}/files/{path:path}", self.file),
            Route(trial, self.detail),
            Route(trial + "/config", self.config),
            Route(trial + "/images/{exit:int}.png", self.picture),
            Mount("/page", StaticFiles(directory=page_files.FOLDER)),
        ]
        answers: dict[Any, Any] = dict.fromkeys((*MISTAKES, HTTPException), _refused)
        inner = Starlette(
            routes=routes,
            exception_handlers=answers | {Exception: _failed},
            lifespan=lifespan,
        )
        # Around all of it: Starlette answers what fails before any middleware of its own.
        return safety.Guarded(inner)

    async def index(self, request: Request) -> Response:
        return HTMLResponse(page_files.index())

    async def plotly(self, request: Request) -> Response:
        return FileResponse(page_files.PLOTLY)

    async def runs(self, request: Request) -> Response:
        return JSONResponse({"runs": self._hub.heads(), "refused": self._hub.refused})

    async def run(self, request: Request) -> Response:
        name = self._name(request)
        return await run_in_threadpool(lambda: JSONResponse(self._hub.document(name)))

    async def events(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return StreamingResponse(self._hub.listen(), media_type="text/event-stream")

    async def detail(self, request: Request) -> Response:
        def found(run: Run, record: TrialRecord, latency: Any) -> Any:
            return detail.of(run, record, latency, *run.shape())

        return JSONResponse(await self._of_trial(request, found))

    async def config(self, request: Request) -> Response:
        row = _row(request)

        def found(run: Run, record: TrialRecord, _: Any) -> Any:
            return configs.text(run, record, row)

        return Response(await self._of_trial(request, found), media_type="application/yaml")

    async def picture(self, request: Request) -> Response:
        row, number = _row(request), request.path_params["exit"]

        def found(run: Run, record: TrialRecord, _: Any) -> Any:
            return pictures.leaving(run, record, row, number)

        return Response(await self._of_trial(request, found), media_type="image/png")

    async def importances(self, request: Request) -> Response:
        """In a process of its own: it takes seconds of a core, and memory that would stay."""
        name = self._name(request)
        complete = self._hub.complete(name)
        async with self._weighing:
            known = self._importances.get(name)
            if known is None or known[0] != complete:
                path = str(self._hub.watch(name).run.path)
                found = await self._apart("nas.dashboard.importances", path)
                known = self._importances[name] = (complete, found)
        return JSONResponse(known[1])

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
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _apart(self, module: str, *arguments: str) -> Any:
        """The JSON that a module of ours prints. Raises HTTPException where it fails."""
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        printed, said = await process.communicate()
        if process.returncode != 0:
            last = said.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
            raise HTTPException(404 if process.returncode == 2 else 500, last[0])
        return json.loads(printed)

    def _name(self, request: Request) -> str:
        name = str(request.path_params["run"])
        if not self._hub.knows(name):
            raise HTTPException(404, f"no run {name!r} is shown here")
        return name

    async def _of_trial(
        self, request: Request, find: Callable[[Run, TrialRecord, Any], Any]
    ) -> Any:
        """What `find` says of a trial, which is remembered while the trial does not change."""
        name, number = self._name(request), int(request.path_params["trial"])
        watch = self._hub.watch(name)
        state = (watch.trials.get(number) or {}).get("state")
        key = (name, number, f"{state} {request.url.path}?{request.url.query}")

        def found() -> Any:
            record, latency = watch.record(number)
            return find(watch.run, record, latency)

        async with self._working:
            if key not in self._details:
                value = await run_in_threadpool(found)
                while len(self._details) >= _DETAILS:
                    self._details.pop(next(iter(self._details)))
                self._details[key] = value
            return self._details[key]


def _row(request: Request) -> int | None:
    text = request.query_params.get("policy", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HTTPException(400, f"policy {text!r}: give the number of a row")
    return int(text) if text else None


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    said = error.detail if isinstance(error, HTTPException) else str(error)
    return JSONResponse({"error": " ".join(said.split())}, status)


async def _failed(request: Request, error: Exception) -> Response:
    """A mistake of ours; its traceback is on the server's standard error."""
    return JSONResponse({"error": f"the server failed ({type(error).__name__})"}, 500)
