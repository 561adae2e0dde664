"""The workers of a search on Ray: warm, replaced when they die, one more than needed in reserve."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nas.errors import UserError
from nas.executors.node_memory import NodeMemory, Place
from nas.executors.ray_worker import Worker
from nas.faults import one_line

_POLL = 0.5  # seconds between looks at whether the search is to stop
_RESERVE_AFTER_S = 30.0  # of a search: to start it takes seconds of a core from the first trials
_TRIES = 3  # of workers that die as they come, before any has come
_GIVE_UP_S = 60.0  # the same once a search has begun


class Crew:
    """`workers` actors, of which those that are ready can be taken.

    From half a minute on, a reserve waits with torch and data loaded. It stands in for a worker
    that died until another one has started, on a core of its own, which may be that of a node that
    joins later. GPUs are too dear to wait.
    """

    def __init__(self, workers: int, gpus: float, data: dict[str, Any]) -> None:
        self._workers, self._gpus, self._data = workers, gpus, data
        self._class = ray.remote(Worker)
        self._starting: dict[Any, Any] = {}  # answer where it is -> worker
        self._places: dict[Any, Place] = {}
        self._idle: list[Any] = []
        self._memory = NodeMemory()
        self._reserve: Any = None
        self._stands_in = False
        self._begun_at: float | None = None
        self._failing_since: float | None = None
        self._failed = 0  # in a row, as they came
        for _ in range(workers):
            self._start()

    def wait(self, check: Callable[[], None]) -> None:
        """Returns when all are ready. Raises UserError, and what `check` raises meanwhile."""
        while self._starting:
            check()
            self.gather(_POLL)
        self._begun_at = time.monotonic()

    def gather(self, timeout: float = 0.0) -> None:
        """Takes in those that have become ready since, waiting up to `timeout` seconds for one.

        Raises UserError when none can be started.
        """
        self._keep_reserve()
        if not self._starting:
            return
        ready, _ = ray.wait(list(self._starting), num_returns=1, timeout=timeout)
        for answer in ready:
            worker = self._starting.pop(answer)
            try:
                self._join(worker, ray.get(answer))
            except RayError as error:  # its node went as it came
                self._refuse_hopeless(error)
                time.sleep(timeout)
                self._places.pop(worker, None)  # a reserve that stood in before
                self._find_another(worker)

    @property
    def is_failing(self) -> bool:
        """Whether the last worker that was started died as it came."""
        return self._failing_since is not None

    @property
    def idle(self) -> int:
        """How many can be taken."""
        return len(self._idle)

    def find(self, memory: int, taken: Iterable[tuple[Any, int]]) -> Any:
        """The worker for a training of so many bytes; None where it has no room.

        taken: by trainings under way, with their workers.
        """
        nodes = [self._places[worker].node for worker in self._idle]
        there = [(self._places[worker].node, each) for worker, each in taken]
        at = self._memory.best(nodes, self._places.values(), there, memory)
        return None if at is None else self._idle[at]

    def take(self, worker: Any) -> None:
        """A worker that is ready works."""
        self._idle.remove(worker)

    def give(self, worker: Any) -> None:
        """Takes a worker back."""
        self._idle.append(worker)
        self._let_wait()

    def place(self, worker: Any) -> Place:
        """Where a worker that was ready is."""
        return self._places[worker]

    def replace(self, worker: Any) -> None:
        """Ends a worker, dead or hanging, and finds another one."""
        self._end(worker)
        self._find_another(worker)

    def close(self) -> None:
        """Ends those that nobody has taken."""
        waiting = [self._reserve] if self._reserve is not None and not self._stands_in else []
        for worker in [*self._idle, *self._starting.values(), *waiting]:
            ray.kill(worker)
        self._idle, self._starting, self._reserve = [], {}, None

    def _refuse_hopeless(self, error: RayError) -> None:
        """Raises UserError where one worker after the other dies as it comes."""
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        self._failed += 1
        begun = self._begun_at is not None
        if now - self._failing_since >= _GIVE_UP_S if begun else self._failed >= _TRIES:
            raise UserError(
                f"Ray cannot start {self._workers} workers ({one_line(error)}); "
                "executor inline works without it"
            ) from None

    def _find_another(self, worker: Any) -> None:
        if worker == self._reserve:
            self._reserve = None
            self._keep_reserve()
        else:
            self._start()
            if self._reserve is None or self._stands_in:
                return
        self._stands_in = True
        self._starting[self._reserve.place.remote()] = self._reserve

    def _start(self) -> None:
        worker = self._actor(cores=1)
        self._starting[worker.place.remote()] = worker

    def _actor(self, cores: int) -> Any:
        # Two threads: one trains, the other answers how far it is.
        return self._class.options(
            num_cpus=cores, num_gpus=self._gpus, max_concurrency=2, max_restarts=0
        ).remote(self._data, self._gpus)

    def _keep_reserve(self) -> None:
        if self._reserve is not None or self._gpus > 0 or self._begun_at is None:
            return
        if time.monotonic() - self._begun_at >= _RESERVE_AFTER_S:
            self._reserve = self._actor(cores=0)  # idle while nobody is missing

    def _join(self, worker: Any, place: Place) -> None:
        self._failing_since, self._failed = None, 0
        self._places[worker] = place
        self._memory.join(place)
        self.give(worker)

    def _let_wait(self) -> None:
        """Whoever stands in for nobody any more is the reserve again."""
        missed = any(worker != self._reserve for worker in self._starting.values())
        if self._stands_in and not missed and self._reserve in self._idle:
            self._idle.remove(self._reserve)
            self._stands_in = False

    def _end(self, worker: Any) -> None:
        place = self._places.pop(worker, None)
        ray.kill(worker)
        if place is None:
            return
        # A process that was stopped (SIGSTOP) hears nothing that Ray says.
        if place.node == ray.get_runtime_context().get_node_id():
            _kill(place.pid)
        else:
            there = NodeAffinitySchedulingStrategy(place.node, soft=False)
            ray.remote(_kill).options(num_cpus=0, scheduling_strategy=there).remote(place.pid)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
