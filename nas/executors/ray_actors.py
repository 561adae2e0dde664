"""Trials on warm Ray actors: one a worker, torch imported once, data loaded once.

Plain actors under the driver, not Ray Tune: the study stays the only record of the search. An actor
that dies is replaced and its trial runs once more; then the trial has failed.
"""

from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from latency.lane import Lane
from nas.data.dataset import DataSpec
from nas.errors import UserError
from nas.executors.protocol import Done, OnEpoch, attempt, reason
from nas.executors.ray_session import Session
from nas.training.trial import TrialJob, cached

_ATTEMPTS = 2
_POLL = 0.5  # seconds between looks at whether the search is to stop


class Worker:
    """Trains one trial after another, and says meanwhile how far it is."""

    def __init__(self, data: dict[str, Any], gpus: float) -> None:
        cached(DataSpec.from_json(data))
        self._told: tuple[int, tuple[float, ...]] = (-1, ())  # trial, loss of each epoch so far
        self._device = _device(gpus)

    def ready(self) -> bool:
        """True once torch is imported and the data are loaded."""
        return True

    def run(self, job: dict[str, Any]) -> Done:
        return attempt(TrialJob.from_json(job), Lane().training, self._keep, self._device)

    def epochs(self, number: int) -> tuple[float, ...]:
        """The loss of each epoch done of trial `number`; empty before its first one ends."""
        trial, losses = self._told
        return losses if trial == number else ()  # a new trial may not have begun yet

    def _keep(self, number: int, losses: tuple[float, ...]) -> None:
        self._told = (number, losses)


def _device(gpus: float) -> str:
    """Where this process trains: on the GPU that Ray reserved for it, or its part of one."""
    import torch

    if gpus == 0 or not torch.cuda.is_available():
        return "cpu"
    if gpus < 1:
        torch.cuda.set_per_process_memory_fraction(gpus)
    return "cuda"


class RayExecutor:
    """`workers` actors on the Ray of a session."""

    def __init__(
        self,
        session: Session,
        workers: int,
        gpus_per_trial: float,
        data: DataSpec,
        on_epoch: OnEpoch,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Returns when all actors are warm; `session` is then closed with the executor.

        check: called while they are awaited, to raise where the search is to stop. Raises
        UserError if an actor cannot be started.
        """
        self.capacity = workers
        self._gpus = gpus_per_trial
        self._data = data.to_json()
        self._on_epoch = on_epoch
        self._session = session
        self._class = ray.remote(Worker)
        self._idle: list[Any] = []
        self._jobs: dict[Any, tuple[TrialJob, Any, int]] = {}  # result -> job, worker, attempt
        self._asked: dict[Any, Any] = {}  # result -> answer to come about its epochs
        try:
            self._idle = [self._worker() for _ in range(workers)]
            _await([worker.ready.remote() for worker in self._idle], check)
        except RayError as error:
            self.close()
            raise UserError(
                f"Ray cannot start {workers} workers ({reason(error)}); "
                "executor inline works without it"
            ) from None
        except BaseException:
            self.close()
            raise

    def submit(self, job: TrialJob) -> None:
        self._start(job, self._idle.pop(), 1)

    def completed(self, timeout: float) -> list[Done]:
        if not self._jobs:
            return []
        ready, _ = ray.wait(list(self._jobs), num_returns=1, timeout=timeout)
        more, _ = ray.wait(list(self._jobs), num_returns=len(self._jobs), timeout=0)
        ended = [self._take(result) for result in dict.fromkeys([*ready, *more])]
        self._report_epochs()
        return [done for done in ended if done is not None]

    def close(self) -> None:
        for worker in [*self._idle, *(worker for _, worker, _ in self._jobs.values())]:
            ray.kill(worker)
        self._idle, self._jobs, self._asked = [], {}, {}
        self._session.close()

    def _worker(self) -> Any:
        # Two threads: one trains, the other answers how far it is.
        return self._class.options(
            num_cpus=1, num_gpus=self._gpus, max_concurrency=2, max_restarts=0
        ).remote(self._data, self._gpus)

    def _start(self, job: TrialJob, worker: Any, attempts: int) -> None:
        self._jobs[worker.run.remote(job.to_json())] = (job, worker, attempts)

    def _take(self, result: Any) -> Done | None:
        """The end of a trial; None when its worker died and it was started again."""
        job, worker, attempts = self._jobs.pop(result)
        self._asked.pop(result, None)
        try:
            done: Done = ray.get(result)
        except RayTaskError as error:
            self._idle.append(worker)
            return Done(job.number, None, reason(error.cause or error))
        except RayError as error:
            worker = self._worker()
            if attempts < _ATTEMPTS:
                self._start(job, worker, attempts + 1)
                return None
            self._idle.append(worker)
            return Done(job.number, None, f"worker died {attempts} times: {reason(error)}")
        self._idle.append(worker)
        return done

    def _report_epochs(self) -> None:
        for result, (job, worker, _) in self._jobs.items():
            answer = self._asked.get(result)
            if answer is not None and not ray.wait([answer], timeout=0)[0]:
                continue
            try:
                if answer is not None:
                    self._on_epoch(job.number, ray.get(answer))
                self._asked[result] = worker.epochs.remote(job.number)
            except RayError:
                self._asked.pop(result, None)  # it died; `_take` will meet the same


def _await(answers: list[Any], check: Callable[[], None]) -> None:
    """Waits for all; a full cluster may let one wait for long. Raises what a worker raised."""
    waiting = answers
    while waiting:
        check()
        ready, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=_POLL)
        ray.get(ready)
