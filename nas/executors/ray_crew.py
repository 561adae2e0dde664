"""The workers of a search on Ray: warm, replaced when they die, one more than needed in reserve."""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nas.executors.ray_worker import Place, Worker

_POLL = 0.5  # seconds between looks at whether the search is to stop


class Crew:
    """`workers` actors, of which those that are ready can be taken.

    A reserve of one waits with torch and data loaded: it takes the place of a dead worker at once.
    GPUs are too dear to wait.
    """

    def __init__(self, workers: int, gpus: float, data: dict[str, Any]) -> None:
        self._gpus, self._data = gpus, data
        self._class = ray.remote(Worker)
        self._starting: dict[Any, Any] = {}  # answer where it is -> worker
        self._places: dict[Any, Place] = {}
        self._idle: list[Any] = []
        self._reserve: tuple[Any, Any] | None = None  # worker, answer where it is
        for _ in range(workers):
            self._start()

    def wait(self, check: Callable[[], None]) -> None:
        """Returns when all are ready. Raises RayError, and what `check` raises meanwhile."""
        while self._starting:
            check()
            ready, _ = ray.wait(list(self._starting), timeout=_POLL)
            for answer in ready:
                self._join(self._starting.pop(answer), ray.get(answer))
        self._keep_reserve()

    def gather(self, timeout: float = 0.0) -> None:
        """Takes in those that have become ready since, waiting up to `timeout` seconds for one."""
        if not self._starting:
            return
        ready, _ = ray.wait(list(self._starting), num_returns=1, timeout=timeout)
        for answer in ready:
            worker = self._starting.pop(answer)
            try:
                self._join(worker, ray.get(answer))
            except RayError:  # its node went as it came
                self._start()

    @property
    def idle(self) -> int:
        """How many can be taken."""
        return len(self._idle)

    def take(self) -> Any:
        """A worker that is ready."""
        return self._idle.pop()

    def give(self, worker: Any) -> None:
        """Takes a worker back."""
        self._idle.append(worker)

    def place(self, worker: Any) -> Place:
        """Where a worker that was ready is."""
        return self._places[worker]

    def replace(self, worker: Any) -> None:
        """Ends a worker, dead or hanging, and finds another one."""
        self._end(worker)
        if self._reserve is None:
            self._start()
            return
        (other, answer), self._reserve = self._reserve, None
        self._starting[answer] = other
        self._keep_reserve()

    def close(self) -> None:
        """Ends those that nobody has taken."""
        reserve = [self._reserve[0]] if self._reserve else []
        for worker in [*self._idle, *self._starting.values(), *reserve]:
            ray.kill(worker)
        self._idle, self._starting, self._reserve = [], {}, None

    def _start(self) -> None:
        worker = self._actor(cores=1)
        self._starting[worker.place.remote()] = worker

    def _actor(self, cores: int) -> Any:
        # Two threads: one trains, the other answers how far it is.
        return self._class.options(
            num_cpus=cores, num_gpus=self._gpus, max_concurrency=2, max_restarts=0
        ).remote(self._data, self._gpus)

    def _keep_reserve(self) -> None:
        if self._gpus == 0:
            worker = self._actor(cores=0)  # idle until it takes over a core
            self._reserve = worker, worker.place.remote()

    def _join(self, worker: Any, place: Place) -> None:
        self._places[worker] = place
        self._idle.append(worker)

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
