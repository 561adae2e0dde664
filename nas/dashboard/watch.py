"""A run observed while it goes on: what is new of it since the last look."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nas import live, store
from nas.dashboard import head, published
from nas.dashboard.rows import Row, Rows
from nas.dashboard.trials import Trials
from nas.errors import UserError
from nas.inference.trained import CONFIG
from nas.record import TrialRecord
from nas.results import STATES
from nas.run import LATENCY, SETTINGS, Run, open_run
from search_spaces.errors import SpaceError

Value = dict[str, Any]
_PART_S = 0.25  # how long trials are gathered before they are handed on


class Watch:
    """One run under the name that the page knows it by. Not thread-safe.

    `trials` and `head` are what the page is given when it opens; `look` brings them up to date.
    Raises UserError or SpaceError where the run's space is not installed.
    """

    def __init__(self, run: Run, name: str) -> None:
        self.name = name
        self._stamps = _stamps(run)
        self._begin(run)

    def _begin(self, run: Run) -> None:
        self.run = run
        self._space = run.space()
        self.head: Value = head.of(run, self.name, self._space)
        self.trials: dict[int, Value] = {}
        self._values = Trials(run, self._space, published.names(self._space))
        self._rows = Rows(run.storage_url, run.name)
        self.read = self.total = 0  # trials read, of so many
        self.error: str | None = None  # why the trials cannot be read now
        self._trainings: list[tuple[Path, int | None]] | None = None  # as they were last written

    def look(self, clock: Callable[[], float] = time.monotonic) -> Iterator[list[Value]]:
        """The trials that changed since the last look, in parts as they are read."""
        try:
            self._follow()
            self._meet_trainings()
            changed, self.error = self._rows.changed(), None
        except (UserError, SpaceError) as error:
            changed, self.error = [], str(error)
        self.read = len(self.trials)
        self.total = self.read + sum(row.number not in self.trials for row in changed)
        part: list[Value] = []
        began = clock()
        # The last trials first: what a page shows at once should be what is new.
        for row in reversed(changed):
            part.append(self._value(row))
            if clock() - began >= _PART_S:
                yield part
                part, began = [], clock()
        if part:
            yield part

    def progress(self, now: float) -> Value:
        """How far the run is at a moment, in seconds since the epoch."""
        trials = list(self.trials.values())  # at once: another thread may add to them
        states = Counter(trial["state"] for trial in trials)
        moment = live.read(self.run.path)
        alive = live.driven(moment, now)
        return {
            "state": self._state(alive, trials),
            "driver": f"process {moment.pid} on {moment.host}" if alive and moment else None,
            "workers": moment.workers if alive and moment else None,
            "counts": {state: states[state] for state in STATES},
            "reused": sum(trial["reused"] is not None for trial in trials),
            "asked": self.run.settings.trials,
            "seconds_left": moment.seconds_left if alive and moment else None,
            "running": _running(moment) if alive and moment else [],
            "updated": moment.written if moment else None,
            "reading": {"done": self.read, "total": self.total},
            "error": self.error,
        }

    def record(self, number: int) -> tuple[TrialRecord, list[Value] | None]:
        """A trial in full, with the latency estimates of its exits where there are any.

        From any thread. Raises UserError where there is no such trial, or it cannot be read.
        """
        rows = Rows(self.run.storage_url, self.run.name)
        try:
            row = rows.one(number)
        finally:
            rows.close()
        if row is None:
            raise UserError(f"run {self.run.name!r} has no trial {number}")
        latency = row.attributes.get(store.FACTS, {}).get("latency")
        return self._values.record(row), latency

    def close(self) -> None:
        """Let the run's database go."""
        self._rows.close()

    def _follow(self) -> None:
        """Take up other settings of a run that was resumed, and all of one made in its place."""
        stamps = _stamps(self.run)
        if stamps == self._stamps or None in stamps:  # of a run that is gone, its trials tell
            return
        run = open_run(self.run.path)
        if stamps[0] != self._stamps[0]:
            self._rows.close()
            self._begin(run)
        else:
            kept = {fact: self.head[fact] for fact in ("held_out", "trainings")}
            self.run, self.head = run, head.of(run, self.name, self._space) | kept
        self._stamps = stamps

    def _meet_trainings(self) -> None:
        """Full trainings beside the run, when one has come or ended."""
        files = sorted(self.run.path.parent.glob(f"*/{CONFIG}"))
        stamps = [(path, _written(path)) for path in files]
        if stamps != self._trainings:
            self._trainings = stamps
            self.head = self.head | {"trainings": published.trainings(self.run)}

    def _value(self, row: Row) -> Value:
        value = self._values.value(row)
        self.read += row.number not in self.trials
        self.trials[row.number] = value
        if self.head["held_out"] != self._values.held_out:  # a new head, so that it is told anew
            self.head = self.head | {"held_out": self._values.held_out}
        return value

    def _state(self, alive: bool, trials: list[Value]) -> str:
        if self.error is not None:
            return "unreadable"
        ended = sum(trial["counted"] and trial["state"] != "running" for trial in trials)
        return live.run_state(alive, len(trials), ended, self.run.settings.trials)


def _stamps(run: Run) -> tuple[int | None, int | None]:
    """When the run was made and when its settings were last written, in nanoseconds."""
    return _written(run.path / LATENCY), _written(run.path / SETTINGS)


def _written(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _running(moment: live.Moment) -> list[Value]:
    return [
        {
            "trial": each.trial,
            "epochs": moment.epochs,
            "losses": list(each.losses),
            "key": each.key,
        }
        for each in moment.running
    ]
