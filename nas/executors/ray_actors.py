"""Trials on warm Ray actors: one a worker, torch imported once, data loaded once.

Plain actors under the driver, not Ray Tune: the study stays the only record of the search. An actor
that dies is replaced and its trial runs once more; then the trial has failed.
"""

import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from latency.lane import Lane
from nas.data.dataset import DataSpec
from nas.errors import UserError
from nas.executors.protocol import Done, OnEpoch, attempt, reason
from nas.training.trial import TrialJob, cached

# No traffic to Ray's makers, and CUDA devices left visible to CPU trials without a warning.
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_OBJECT_STORE = 200_000_000  # bytes; only weights and held-out answers of one trial pass through
_LONGEST_FOLDER = 30  # characters; a socket below it must stay within the 107 of a Unix address
_ATTEMPTS = 2

os.environ.update({name: os.environ.get(name, value) for name, value in _ENVIRONMENT.items()})
import ray  # noqa: E402  (it reads the environment when imported)
from ray.exceptions import RayError, RayTaskError  # noqa: E402


class Worker:
    """Trains one trial after another, and says meanwhile how far it is."""

    def __init__(self, data: dict[str, Any]) -> None:
        cached(DataSpec.from_json(data))
        self._epochs = 0

    def ready(self) -> bool:
        """True once torch is imported and the data are loaded."""
        return True

    def run(self, job: dict[str, Any]) -> Done:
        self._epochs = 0
        return attempt(TrialJob.from_json(job), Lane().training, self._count)

    def epochs(self) -> int:
        """Epochs done of the trial under way."""
        return self._epochs

    def _count(self, number: int, epochs: int) -> None:
        self._epochs = epochs


class RayExecutor:
    """`workers` actors on a Ray of our own, or on the cluster at `address`."""

    def __init__(
        self,
        workers: int,
        gpus_per_trial: float,
        address: str | None,
        data: DataSpec,
        on_epoch: OnEpoch,
    ) -> None:
        """Returns when all actors are warm. Raises UserError if Ray cannot start or be reached."""
        self.capacity = workers
        self._gpus = gpus_per_trial
        self._data = data.to_json()
        self._on_epoch = on_epoch
        self._session = _Session(workers, address)
        self._class = ray.remote(Worker)
        self._idle = [self._worker() for _ in range(workers)]
        self._jobs: dict[Any, tuple[TrialJob, Any, int]] = {}  # result -> job, worker, attempt
        self._asked: dict[Any, Any] = {}  # result -> answer to come about its epochs
        try:
            ray.get([worker.ready.remote() for worker in self._idle])
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
        ).remote(self._data)

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
                self._asked[result] = worker.epochs.remote()
            except RayError:
                self._asked.pop(result, None)  # it died; `_take` will meet the same


class _Session:
    """The connection to Ray: our own instance in a private folder, or what the user runs."""

    def __init__(self, workers: int, address: str | None) -> None:
        self._folder: Path | None = None
        self._ours = not ray.is_initialized()
        if not self._ours:
            return
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if address is not None:
                self._init(address=address, **options)
                return
            self._folder = _private_folder()
            with _token(self._folder):
                self._init(
                    num_cpus=workers,
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE,
                    _temp_dir=str(self._folder),
                    **options,
                )
        except (RayError, OSError, RuntimeError, ValueError) as error:
            self.close()
            where = f"reached at {address}" if address else "started"
            raise UserError(
                f"Ray cannot be {where} ({reason(error)}); --executor inline works without it"
            ) from None

    @staticmethod
    def _init(**options: Any) -> None:
        with redirect_stdout(sys.stderr):  # standard output is for results
            ray.init(**options)

    def close(self) -> None:
        if self._ours:
            ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _private_folder() -> Path:
    """A folder only this user can enter: Ray makes its own open to everybody."""
    base = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="nas-ray-", dir=base if len(base) < _LONGEST_FOLDER else "/tmp"))


@contextmanager
def _token(folder: Path) -> Iterator[None]:
    """Ray's processes started here refuse clients without a secret that only this user can read."""
    path = folder / "token"
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")}
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(path))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
