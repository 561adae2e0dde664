"""A search whose training is a table look-up: everything is real but the seconds it takes."""

import hashlib
import time
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pytest

from latency.macs import MacsLatency
from latency.source import LatencySource
from nas import plugins
from nas.executors.protocol import Done
from nas.faults import Fault
from nas.interruption import Interruption
from nas.loop import Loop
from nas.measurement import HeldOut
from nas.progress import Silent, Status
from nas.run import Run, create
from nas.settings import parse
from nas.store import Backoff, Store
from nas.training.trial import TrialJob, TrialOutcome
from nas.underway import Pricer, Task
from tests.nas.small_msd import SMALL, WHERE

IMAGE = (1, 8, 8)
CLASSES = 10


def made_run(out: Path, **options: object) -> Run:
    settings = parse({"out": str(out), "runtime": "macs", "target_latency": 0.2, **options})
    return create(
        settings, {"runtime": "macs", "device": "simulated", "target_ms": 0.2, "found": "given"}
    )


def store_of(run: Run, backoff: Backoff | None = None) -> Store:
    """What a driver of the run holds."""
    return Store(run.storage_url, run.name, run.objective().directions, backoff=backoff)


def loop_of(
    run: Run,
    clock: Callable[[], float] = lambda: 0.0,
    interruption: Interruption | None = None,
    progress: Silent | None = None,
    now: Callable[[], float] = time.time,
    source: LatencySource | None = None,
    store: Store | None = None,
) -> Loop:
    """A driver of the run as it is after a start or a restart."""
    settings = run.settings
    store = store or store_of(run)
    sampler = plugins.controller(settings.controller, space=run.space(), seed=settings.seed)
    task = Task(settings.data_spec(), settings.recipe(IMAGE, 60), IMAGE, CLASSES)
    pricer = Pricer(run.space(), task, source or MacsLatency(), settings.seed)
    return Loop(
        run, task, store, sampler, pricer, interruption or Interruption(), progress or Silent(),
        clock, now,
    )  # fmt: skip


class Table:
    """Up to `capacity` trials under way; the one submitted last ends first.

    `failing`: numbers of trials that fail. `limit`: after so many submissions the power is cut."""

    def __init__(
        self, capacity: int = 1, failing: Collection[int] = (), limit: int | None = None
    ) -> None:
        self.capacity = capacity
        self.jobs: list[TrialJob] = []
        self.submitted: list[int] = []
        self._failing = failing
        self._limit = limit

    def submit(self, job: TrialJob, begun: bytes | None = None, memory: int = 0) -> None:
        assert len(self.jobs) < self.capacity
        self.jobs.append(job)
        self.submitted.append(job.number)
        if len(self.submitted) == self._limit:
            raise PowerCut

    def fits(self, memory: int) -> bool:
        return True

    def completed(self, timeout: float) -> list[Done]:
        if not self.jobs:
            return []
        job = self.jobs.pop()
        if job.number in self._failing:
            return [Done(job.number, None, Fault("exception", "RuntimeError: out of luck"))]
        return [Done(job.number, looked_up(job), None)]

    def close(self) -> None:
        self.jobs.clear()


class PowerCut(BaseException):
    """The driver is gone without a word."""


def looked_up(job: TrialJob) -> TrialOutcome:
    """Answers that depend on the network alone."""
    architecture = SMALL.from_json(job.architecture)
    exits = len(SMALL.blocks(architecture, IMAGE, CLASSES).exits)
    seed = int.from_bytes(hashlib.sha256(architecture.key.encode()).digest()[:4], "big")
    rng = np.random.default_rng(seed)
    confidence = rng.random((100, exits)).astype(np.float16)
    correct = rng.random((100, exits)) < rng.uniform(0.3, 0.9)
    losses = (float(rng.uniform(0.1, 3.0)),)
    epochs = job.until or job.recipe.epochs
    held_out = HeldOut(confidence, correct)
    return TrialOutcome(job.number, held_out, 1.0, epochs, b"weights", losses)


class Heard(Silent):
    """Remembers what a search said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.statuses: list[Status] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def show(self, status: Status) -> None:
        self.statuses.append(status)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """`msd` means its smallest networks."""
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)
