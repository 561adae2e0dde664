"""Timing several built networks in one interleaved campaign, block by block, on the CPU."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from latency.protocol import Protocol, Samples, Visit
from search_spaces.network import StagedBlocks, StagedNetwork

Clock = Callable[[], int]
"""Nanoseconds since any fixed moment."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A network to be timed, in eval mode, and the image it is timed on: [1, channels, h, w]."""

    network: StagedNetwork
    image: Tensor


@contextmanager
def quiet() -> Iterator[None]:
    """Run on one thread, without gradients and without the garbage collector; then as before."""
    threads, collecting = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(1)
    gc.disable()
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)
        if collecting:
            gc.enable()


@contextmanager
def stopwatch(network: StagedNetwork, clock: Clock) -> Iterator[list[int]]:
    """Note in a list the time after every block of the network that runs."""
    stamps: list[int] = []

    def note(*_: Any) -> None:
        stamps.append(clock())

    stages = cast(Iterable[StagedBlocks], network.stages)
    hooks = [block.register_forward_hook(note) for stage in stages for block in stage.blocks]
    try:
        yield stamps
    finally:
        for hook in hooks:
            hook.remove()


def run(
    subjects: Sequence[Subject],
    protocol: Protocol,
    rng: np.random.Generator,
    clock: Clock = time.perf_counter_ns,
) -> list[Samples]:
    """Time every subject by the protocol; return its samples in ms, [rounds, repeats, blocks]."""
    with quiet(), ExitStack() as stack:
        passes = [
            partial(
                timed_pass, subject, stack.enter_context(stopwatch(subject.network, clock)), clock
            )
            for subject in subjects
        ]
        visits = [protocol.visit(_pass_ms(once)) for once in passes]
        taken: list[list[list[list[float]]]] = [[] for _ in subjects]
        for order in protocol.orders(len(subjects), rng):
            for index in order:
                taken[index].append(_visit(passes[index], visits[index]))
    return [np.array(rounds, dtype=np.float64) for rounds in taken]


def timed_pass(subject: Subject, stamps: list[int], clock: Clock) -> list[float]:
    """Run a subject once under its stopwatch; return the milliseconds of each block."""
    state: tuple[Tensor, ...] = (subject.image,)
    stamps[:] = [clock()]
    for stage in subject.network.stages:
        _, *rest = stage(*state)
        state = tuple(rest)
        stamps[-1] = clock()  # what a stage does after its last block is that block's work
    return [(after - before) / 1e6 for before, after in pairwise(stamps)]


def _visit(once: Callable[[], list[float]], visit: Visit) -> list[list[float]]:
    for _ in range(visit.warm_up):
        once()
    return [once() for _ in range(visit.repeats)]


def _pass_ms(once: Callable[[], list[float]]) -> float:
    """Return the time of the second pass ever; the first one also sets up its kernels."""
    once()
    return sum(once())
