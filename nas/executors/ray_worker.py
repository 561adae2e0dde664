"""A process that trains one trial after another, and says meanwhile how far it is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray

from latency.lane import Lane
from nas.data.dataset import DataSpec
from nas.data.memory import left
from nas.executors.node_memory import Place
from nas.executors.protocol import ALONE, Done, Report, attempt
from nas.training.trial import TrialJob, cached

_PACKED = 0.9  # of a node's memory: Ray ends workers when nearly all of it is taken


@dataclass(frozen=True, slots=True)
class Answer:
    """How far a worker is with a trial: `beats` counts batches, so that it changes with any."""

    report: Report
    beats: int


class Worker:
    """An actor of two threads: one trains, the other answers."""

    def __init__(self, data: dict[str, Any], gpus: float) -> None:
        cached(DataSpec.from_json(data))
        _warm_up()
        self._report = Report(-1, ())
        self._beats = 0
        self._gpus = gpus
        self._device = _device(gpus)
        self._lane = Lane()

    def place(self) -> Place:
        """Where this is, once torch is imported and the data are loaded."""
        node = ray.get_runtime_context().get_node_id()
        if self._device != "cpu":  # whose memory Ray has shared out
            return Place(os.getpid(), node, 0, ALONE // 2)
        return Place(os.getpid(), node, _resident(), int(_PACKED * left()))

    def run(self, job: dict[str, Any], begun: bytes | None, memory: int) -> Done:
        """Train. memory: bytes that this is expected to take."""
        parsed = TrialJob.from_json(job)
        self._report, self._beats = Report(parsed.number, ()), 0
        with self._share(memory):
            return attempt(parsed, self._batch, self._keep, self._device, begun)

    def progress(self, number: int, known: int) -> Answer | None:
        """How far trial `number` is; None before it has begun. known: epochs that were told."""
        report, beats = self._report, self._beats
        if report.number != number:
            return None
        if len(report.losses) == known:
            report = Report(number, report.losses)  # what it left then was told too
        return Answer(report, beats)

    def _keep(self, report: Report) -> None:
        self._report = report

    @contextmanager
    def _share(self, memory: int) -> Iterator[None]:
        """Of the GPU: all of it for a training that nothing is trained beside."""
        if self._device == "cpu":
            from nas.training.memory_peak import give_back

            try:
                yield
            finally:
                give_back()  # other workers may be given what this one does not use
            return
        import torch

        share = 1.0 if memory >= ALONE else min(1.0, self._gpus)
        torch.cuda.set_per_process_memory_fraction(share)
        try:
            yield
        finally:
            torch.cuda.empty_cache()

    @contextmanager
    def _batch(self) -> Iterator[None]:
        self._beats += 1
        with self._lane.training():
            yield


def _warm_up() -> None:
    """Load what the first training of a process would wait for: torch's compiler, a second or so.

    Optimisers bring it with them.
    """
    import torch

    import nas.training.evaluate
    import nas.training.train  # noqa: F401

    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])


def _device(gpus: float) -> str:
    """Where this process trains: on the GPU that Ray reserved for it, or its part of one."""
    import torch

    if gpus == 0 or not torch.cuda.is_available():
        return "cpu"
    return "cuda"


def _resident() -> int:
    from nas.training.memory_peak import resident

    try:
        return resident()
    except OSError:
        return 0  # not Linux
