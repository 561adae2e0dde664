"""Trials on warm Ray actors: one a worker, torch imported once, data loaded once.

Plain actors under the driver, not Ray Tune: the study stays the only record of the search, and what
becomes of a trial whose worker died is the driver's to say. Workers write no files.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import NodeDiedError, RayError, RayTaskError

from nas import faults
from nas.data.dataset import DataSpec
from nas.executors.protocol import Done, OnReport
from nas.executors.ray_crew import Crew
from nas.executors.ray_head import GONE_S
from nas.executors.ray_session import Session
from nas.executors.ray_worker import Answer
from nas.executors.stalls import AWAY_S, Limits, Watched
from nas.faults import Fault
from nas.training.trial import TrialJob


@dataclass(frozen=True, slots=True)
class _Underway:
    """A job on a worker. memory: bytes that it is expected to take.

    asked: the answer to come about its progress.
    """

    job: TrialJob
    worker: Any
    watched: Watched
    memory: int
    epochs: int = 0
    asked: Any = None


class RayExecutor:
    """Up to `workers` actors on the Ray of a session."""

    def __init__(
        self,
        session: Session,
        workers: int,
        gpus_per_trial: float,
        data: DataSpec,
        on_report: OnReport,
        check: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Returns when all actors are warm; `session` is then closed with the executor.

        check: called while they are awaited, to raise where the search is to stop. clock: seconds,
        monotonic. Raises UserError if an actor cannot be started.
        """
        self._on_report, self._session = on_report, session
        self._workers, self._packs = workers, gpus_per_trial < 1
        self._limits, self._clock = limits or Limits(), clock
        self._jobs: dict[Any, _Underway] = {}  # by result
        self._looked = self._clock()
        self._crew = Crew(workers, gpus_per_trial, data.to_json())
        try:
            self._crew.wait(check)
        except BaseException:
            self.close()
            raise

    @property
    def capacity(self) -> int:
        """How many trials can be under way: fewer for a while where a node was lost."""
        return min(self._workers, self._crew.idle + len(self._jobs))

    def fits(self, memory: int) -> bool:
        return self._worker(memory) is not None

    def submit(self, job: TrialJob, begun: bytes | None = None, memory: int = 0) -> None:
        worker = self._worker(memory)
        assert worker is not None, "it does not fit"
        self._crew.take(worker)
        result = worker.run.remote(job.to_json(), begun, memory)
        self._jobs[result] = _Underway(job, worker, Watched(self._clock()), memory)

    def completed(self, timeout: float) -> list[Done]:
        try:
            return self._completed(timeout)
        finally:
            self._looked = self._clock()

    def _completed(self, timeout: float) -> list[Done]:
        self._session.head.check(0.0 if self._crew.is_failing else GONE_S)
        now = self._clock()
        if now - self._looked > AWAY_S:
            for result, each in self._jobs.items():
                self._jobs[result] = replace(each, watched=each.watched.unwatched(now))
        self._crew.gather(0.0 if self._jobs else timeout)
        if not self._jobs:
            return []
        ready, _ = ray.wait(list(self._jobs), num_returns=1, timeout=timeout)
        more, _ = ray.wait(list(self._jobs), num_returns=len(self._jobs), timeout=0)
        ended = [self._take(result) for result in dict.fromkeys([*ready, *more])]
        for result in list(self._jobs):
            self._ask(result)
        return ended + self._overdue()

    def close(self) -> None:
        for underway in self._jobs.values():
            ray.kill(underway.worker)
        self._jobs = {}
        self._crew.close()
        self._session.close()

    def _worker(self, memory: int) -> Any:
        if not self._packs:  # whole GPUs are shared with nobody
            memory = 0
        return self._crew.find(memory, [(job.worker, job.memory) for job in self._jobs.values()])

    def _take(self, result: Any) -> Done:
        """The end of an attempt; who died is replaced."""
        underway = self._jobs.pop(result)
        number, worker = underway.job.number, underway.worker
        try:
            done: Done = ray.get(result)
        except RayTaskError as error:
            self._crew.give(worker)
            return Done(number, None, faults.of(error.cause or error))
        except RayError as error:
            self._crew.replace(worker)
            return Done(number, None, _fault(error))
        self._crew.give(worker)
        return done

    def _ask(self, result: Any) -> None:
        """Passes on how far a trial is, as its worker said, and asks it again."""
        underway = self._jobs[result]
        if underway.asked is not None and not ray.wait([underway.asked], timeout=0)[0]:
            return
        number, epochs, watched = underway.job.number, underway.epochs, underway.watched
        try:
            answer: Answer | None = None if underway.asked is None else ray.get(underway.asked)
            if answer is not None:
                self._on_report(answer.report)
                epochs = len(answer.report.losses)
                watched = watched.heard(answer.beats, self._clock())
            asked = underway.worker.progress.remote(number, epochs)
        except RayError:  # it died; `_take` will meet the same
            asked = None
        self._jobs[result] = replace(underway, epochs=epochs, watched=watched, asked=asked)

    def _overdue(self) -> list[Done]:
        """Ends the trials that take too long, with the workers that train them."""
        ended = []
        for result, underway in list(self._jobs.items()):
            if over := self._limits.over(underway.watched, self._clock()):
                del self._jobs[result]
                self._crew.replace(underway.worker)
                ended.append(Done(underway.job.number, None, Fault("timeout", over)))
        return ended


def _fault(error: RayError) -> Fault:
    """What the end of a worker means for its trial."""
    found = faults.of(error)
    if found.reason == "oom":
        return found
    lost = isinstance(error, NodeDiedError) or "node has died" in str(error).lower()
    return Fault("node-lost" if lost else "worker-died", found.said)
