"""Timing several built networks in one interleaved campaign, stage by stage, on the CPU."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from latency.protocol import Protocol, Samples, Visit
from search_spaces.network import StagedNetwork

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


def run(
    subjects: Sequence[Subject],
    protocol: Protocol,
    rng: np.random.Generator,
    clock: Clock = time.perf_counter_ns,
) -> list[Samples]:
    """Time every subject by the protocol; return its samples in ms, [rounds, repeats, stages]."""
    with quiet():
        visits = [protocol.visit(_pass_ms(subject, clock)) for subject in subjects]
        rounds: list[list[list[list[float]]]] = [[] for _ in subjects]
        for order in protocol.orders(len(subjects), rng):
            for index in order:
                rounds[index].append(_visit(subjects[index], visits[index], clock))
    return [np.array(taken, dtype=np.float64) for taken in rounds]


def _visit(subject: Subject, visit: Visit, clock: Clock) -> list[list[float]]:
    for _ in range(visit.warm_up):
        timed_pass(subject.network.stages, subject.image, clock)
    return [timed_pass(subject.network.stages, subject.image, clock) for _ in range(visit.repeats)]


def _pass_ms(subject: Subject, clock: Clock) -> float:
    """Return the time of the second pass ever; the first one also sets up its kernels."""
    for _ in range(2):
        stages = timed_pass(subject.network.stages, subject.image, clock)
    return sum(stages)


def timed_pass(stages: Iterable[nn.Module], image: Tensor, clock: Clock) -> list[float]:
    """Run the stages once on an image; return the milliseconds of each."""
    state: tuple[Tensor, ...] = (image,)
    stamps = [clock()]
    for stage in stages:
        _, *rest = stage(*state)
        state = tuple(rest)
        stamps.append(clock())
    return [(after - before) / 1e6 for before, after in pairwise(stamps)]
