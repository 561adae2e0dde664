"""All runs that a page shows, read in a thread of their own, and who listens to what is new."""

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from nas.dashboard.watch import Watch
from nas.errors import UserError
from nas.run import LATENCY, SETTINGS, Run, open_run
from search_spaces.errors import SpaceError

Value = dict[str, Any]
Messages: TypeAlias = "asyncio.Queue[str | None]"  # None is the last
_log = logging.getLogger(__name__)
_EVERY_S = 1.0
_PATIENCE_S = 0.5
_MOST_WAITING = 10_000  # messages for one listener; one that lags further must load anew


class Hub:
    """Watches runs: those given, or all under a folder, also those that come.

    `runs` and `trials` may be read from any thread.
    """

    def __init__(self, runs: Sequence[Run], folder: Path | None) -> None:
        self._folder = folder
        self._watches: dict[str, Watch] = {}
        self._paths: set[Path] = set()
        self._progress: dict[str, Value] = {}
        self._heads: dict[str, Value] = {}  # as they were told
        self._listeners: list[tuple[asyncio.AbstractEventLoop, Messages]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._turn, name="runs", daemon=True)
        self.refused: dict[str, str] = {}  # runs under the folder that cannot be shown, and why
        for run in runs:
            if run.path.resolve() not in self._paths:
                self._add(run)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more, and send every listener away; waits a moment for the step under way."""
        self._stop.set()
        self.dismiss()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_S)
        if not self.reading:
            for watch in self._watches.values():
                watch.close()

    @property
    def reading(self) -> bool:
        """Whether something is still being read, after `stop` also."""
        return self._thread.is_alive()

    def dismiss(self) -> None:
        """End every stream of events. From any thread."""
        for loop, messages in list(self._listeners):
            _soon(loop, _end, messages)

    def heads(self) -> list[Value]:
        """The heads of all runs."""
        return [watch.head for watch in list(self._watches.values())]

    def knows(self, name: str) -> bool:
        """Whether a run of that name is shown."""
        return name in self._watches

    def watch(self, name: str) -> Watch:
        """The run of that name on the page. Raises KeyError."""
        return self._watches[name]

    def complete(self, name: str) -> int:
        """How many trials of a run are complete as far as they are read."""
        trials = list(self._watches[name].trials.values())
        return sum(trial["state"] == "complete" for trial in trials)

    def document(self, name: str) -> Value:
        """All that the page needs of a run. Raises KeyError."""
        watch = self._watches[name]
        return {
            "head": watch.head,
            "trials": list(watch.trials.values()),
            "progress": self._progress.get(name) or watch.progress(time.time()),
        }

    async def listen(self, beat_s: float = 15.0) -> AsyncIterator[str]:
        """Server-sent events from now on, a comment every `beat_s` seconds where there are none.

        The first say how far each run is, by which a page sees whether it missed something. They
        end with the hub, and where the listener lags so far that it must load anew.
        """
        queue: Messages = asyncio.Queue(_MOST_WAITING)
        listener = (asyncio.get_running_loop(), queue)
        self._listeners.append(listener)
        try:
            yield ": listening\n\n"
            for name, progress in list(self._progress.items()):
                yield _message("progress", {"run": name, "progress": progress})
            while not self._stop.is_set():
                try:
                    message = await asyncio.wait_for(queue.get(), beat_s)
                except TimeoutError:
                    message = ": still here\n\n"
                if message is None:
                    return
                yield message
        finally:
            self._listeners.remove(listener)

    def _turn(self) -> None:
        while not self._stop.is_set():
            for _ in self._steps(time.time):
                if self._stop.is_set():
                    return
            self._stop.wait(_EVERY_S)

    def _steps(self, now: Callable[[], float]) -> Iterator[None]:
        """One look at everything, in steps between which it may stop."""
        self._look_for_runs()
        looks = {name: watch.look() for name, watch in self._watches.items()}
        while looks:  # a part of each in turn: a small run need not wait for a large one
            for name, look in list(looks.items()):
                watch, part = self._watches[name], self._next(name, look)
                self._tell_head(name, watch)
                if part is None:
                    del looks[name]
                else:
                    self._tell("trials", {"run": name, "trials": part})
                self._tell_progress(name, watch, now())
                yield

    def _next(self, name: str, look: Iterator[list[Value]]) -> list[Value] | None:
        """The next part of a look. A mistake of ours in one run stops none of the others."""
        try:
            return next(look, None)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            if self._watches[name].error != said:
                _log.exception("run %s cannot be read", name)
            self._watches[name].error = said
            return None

    def _tell_head(self, name: str, watch: Watch) -> None:
        if self._heads.get(name) != watch.head:
            self._heads[name] = watch.head
            self._tell("runs", {"runs": [watch.head]})

    def _tell_progress(self, name: str, watch: Watch, now: float) -> None:
        progress = watch.progress(now)
        if progress != self._progress.get(name):
            self._progress[name] = progress
            self._tell("progress", {"run": name, "progress": progress})

    def _look_for_runs(self) -> None:
        if self._folder is None:
            return
        for settings in sorted(self._folder.glob(f"*/{SETTINGS}")):
            path = settings.parent.absolute()
            if path.resolve() in self._paths:
                continue
            try:
                watch = self._add(open_run(path))
            except (UserError, SpaceError, OSError) as error:
                self.refused[path.name] = str(error)  # it may still be on its way
            except LookupError as error:
                self.refused[path.name] = f"{path / LATENCY} is damaged ({error!r})"
            else:
                self.refused.pop(path.name, None)
                self._tell_head(watch.name, watch)

    def _add(self, run: Run) -> Watch:
        name, count = run.name, 1
        while name in self._watches:
            count += 1
            name = f"{run.name} ({count})"
        watch = Watch(run, name)
        self._watches[name] = watch
        self._paths.add(run.path.resolve())
        return watch

    def _tell(self, event: str, value: Value) -> None:
        if not self._listeners:
            return
        message = _message(event, value)
        for loop, queue in list(self._listeners):
            _soon(loop, _put, queue, message)


def _message(event: str, value: Value) -> str:
    return f"event: {event}\ndata: {json.dumps(value, allow_nan=False)}\n\n"


def _soon(loop: asyncio.AbstractEventLoop, *call: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and its listeners with it
        loop.call_soon_threadsafe(*call)


def _put(queue: Messages, message: str) -> None:
    if queue.full():  # a message left out would be missing on the page for good
        _end(queue)
    else:
        queue.put_nowait(message)


def _end(queue: Messages) -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)
