"""All runs that a page shows, read in a thread of their own, and who listens to what is new."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nas.dashboard.watch import Watch
from nas.errors import UserError
from nas.run import SETTINGS, Run, open_run
from search_spaces.errors import SpaceError

Value = dict[str, Any]
_EVERY_S = 1.0
_MOST_WAITING = 10_000  # messages for one listener: a page that sleeps for long loads anew


class Hub:
    """Watches runs: those given, or all under a folder, also those that come.

    `runs` and `trials` may be read from any thread.
    """

    def __init__(self, runs: Sequence[Run], folder: Path | None) -> None:
        self._folder = folder
        self._watches: dict[str, Watch] = {}
        self._paths: set[Path] = set()
        self._progress: dict[str, Value] = {}
        self._listeners: list[tuple[asyncio.AbstractEventLoop, asyncio.Queue[str]]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._turn, name="runs", daemon=True)
        self.refused: dict[str, str] = {}  # runs under the folder that cannot be shown, and why
        for run in runs:
            self._add(run)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more; returns when nothing is being read."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for watch in self._watches.values():
            watch.close()

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

    async def listen(self, beat_s: float = 15.0) -> "Any":
        """Server-sent events from now on, a comment every `beat_s` seconds where there are none."""
        queue: asyncio.Queue[str] = asyncio.Queue(_MOST_WAITING)
        listener = (asyncio.get_running_loop(), queue)
        self._listeners.append(listener)
        try:
            yield ": listening\n\n"
            while not self._stop.is_set():
                try:
                    yield await asyncio.wait_for(queue.get(), beat_s)
                except TimeoutError:
                    yield ": still here\n\n"
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
                watch, part = self._watches[name], next(look, None)
                if part is None:
                    del looks[name]
                else:
                    self._tell("trials", {"run": name, "trials": part})
                self._tell_progress(name, watch, now())
                yield
        for watch in list(self._watches.values()):
            if not watch.referred:
                watch.refer()
                self._tell("runs", {"runs": [watch.head]})
                yield

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
            if path in self._paths:
                continue
            try:
                watch = self._add(open_run(path))
            except (UserError, SpaceError) as error:
                self.refused[path.name] = str(error)  # it may still be on its way
            else:
                self.refused.pop(path.name, None)
                self._tell("runs", {"runs": [watch.head]})

    def _add(self, run: Run) -> Watch:
        name, count = run.name, 1
        while name in self._watches:
            count += 1
            name = f"{run.name} ({count})"
        watch = Watch(run, name)
        self._watches[name] = watch
        self._paths.add(run.path)
        return watch

    def _tell(self, event: str, value: Value) -> None:
        if not self._listeners:
            return
        message = f"event: {event}\ndata: {json.dumps(value, allow_nan=False)}\n\n"
        for loop, queue in list(self._listeners):
            loop.call_soon_threadsafe(_put, queue, message)


def _put(queue: "asyncio.Queue[str]", message: str) -> None:
    if not queue.full():
        queue.put_nowait(message)
