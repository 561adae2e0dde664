"""The runtime ``torch``: PyTorch eager on this CPU, one thread, block by block."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from latency.errors import LatencyError
from latency.protocol import Protocol
from latency.runtimes.building import Built, build
from latency.runtimes.runtime import Piece, Prepared

Clock = Callable[[], int]
"""Nanoseconds since any fixed moment."""


class TorchEager:
    """One image at a time (``batch`` of them), float32; every block is a timed part."""

    name = "torch"
    # Not the minimum: on a shared host a pass now and then finds the caches to itself, one campaign
    # has such a pass and the next has none. Both as measured: results/latency/torch.
    protocol = Protocol(most_rounds=24, apart_s=0.1, quantile=0.05)
    shares_host = True

    def __init__(self, device: str = "cpu", batch: int = 1) -> None:
        if device != "cpu":
            raise LatencyError(f"runtime 'torch' has no device {device!r}: choose one of cpu, cuda")
        self.device, self.batch = device, batch

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        return PreparedEager(build(piece, seed, self.batch))

    def divide(self, piece: Piece, seed: int) -> Prepared:
        return self.prepare(piece, seed)  # whose parts are its blocks

    def conditions(self) -> dict[str, Any]:
        return {
            "runtime": self.name,
            "device": self.device,
            "torch": torch.__version__,
            "threads": 1,
            "batch": self.batch,
            "dtype": "float32",
            "weights": "random",
        }


class PreparedEager(Prepared):
    """Modules with a stopwatch on every block. clock: see ``Clock``."""

    def __init__(self, built: Built, clock: Clock = time.perf_counter_ns) -> None:
        self.built, self._clock = built, clock
        self.parts = tuple(len(stage.blocks) for stage in built.stages)
        self._given = tuple(built.given.values())
        self._stamps: list[int] = []
        blocks = [block for stage in built.stages for block in stage.blocks]
        self._hooks = [block.register_forward_hook(self._note) for block in blocks]

    def run(self, stages: int) -> list[float]:
        with quiet():
            state: tuple[Tensor, ...] = self._given
            self._stamps[:] = [self._clock()]
            for stage in self.built.stages[:stages]:
                _, *rest = stage(*state)
                state = tuple(rest)
                # What a stage does after its last block is that block's work.
                self._stamps[-1] = self._clock()
        return [(after - before) / 1e6 for before, after in pairwise(self._stamps)]

    def close(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _note(self, *_: Any) -> None:
        self._stamps.append(self._clock())


@contextmanager
def quiet() -> Iterator[None]:
    """Run on one thread and without gradients; afterwards as before."""
    threads = torch.get_num_threads()
    if threads != 1:
        torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        if threads != 1:
            torch.set_num_threads(threads)
