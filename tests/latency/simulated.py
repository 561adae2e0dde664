"""A device with a known law and a clock of its own: what a measurement should find is known.

A block costs a constant, and for each operator a constant, its MACs and the bytes it moves. Weights
that are read again only after more than ``cache_bytes`` of other weights are partly gone from the
cache, and bytes that are gone cost more. Upon that come the disturbances of a shared machine, in
simulated time: nothing sleeps, nothing is computed, and a seed draws all chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import Any

import numpy as np

from latency import canary
from latency.bench import LocalBench
from latency.protocol import Protocol
from latency.runtimes.runtime import Piece, Prepared
from search_spaces.blocks import BlockGraph, BlockSpec
from search_spaces.operators import trace_block

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Law:
    """What work costs on an undisturbed device."""

    block_ms: float = 0.002
    operator_ms: float = 0.004
    macs_per_ms: float = 10e6
    bytes_per_ms: float = 20e6
    cache_bytes: float = inf
    missed_bytes_per_ms: float = 5e6

    def block(self, spec: BlockSpec, shapes: tuple[Shape, ...]) -> tuple[float, float]:
        """Return milliseconds of a block whose weights are in the cache, and their bytes."""
        trace = trace_block(spec, shapes)
        moved = sum(
            4 * (op.elements_in + op.elements_out + op.parameters) for op in trace.operators
        )
        ms = self.block_ms + self.operator_ms * len(trace.operators)
        return ms + trace.macs / self.macs_per_ms + moved / self.bytes_per_ms, 4 * trace.parameters

    def missed_ms(self, weights: float, since: float) -> float:
        """Return what reading weights costs more, ``since`` bytes after they were read before."""
        gone = max(0.0, 1 - self.cache_bytes / since) if weights else 0.0
        return weights * gone / self.missed_bytes_per_ms

    def exits_ms(self, graph: BlockGraph) -> list[float]:
        """Return the time of each exit of a network that runs to its last exit again and again."""
        stages = blocks(Piece.network(graph), self)
        whole = sum(weights for stage in stages for _, weights in stage)
        return list(
            accumulate(
                sum(ms + self.missed_ms(weights, whole) for ms, weights in stage)
                for stage in stages
            )
        )


def blocks(piece: Piece, law: Law) -> list[list[tuple[float, float]]]:
    """Return milliseconds and bytes of weights of every block of every stage."""
    shapes = dict(piece.inputs)
    found = []
    for stage in piece.stages:
        found.append([])
        for node in stage.nodes:
            inputs = tuple(shapes[name] for name in node.inputs)
            shapes[node.name] = trace_block(node.spec, inputs).output
            found[-1].append(law.block(node.spec, inputs))
    return found


@dataclass(frozen=True, slots=True)
class Disturbed:
    """What happens to a device beside its work.

    noise: standard deviation of a block's time, relative; work is only ever delayed. preemptions:
    how many there are in a second of work, each of 1 to 10 ms. slow: which share of the time all
    takes ``slow_factor`` as long, in stretches of ``stretch_ms`` (drawn evenly on a log scale).
    levels: by which factor all is slower in each campaign in turn.
    """

    noise: float = 0.005
    preemptions: float = 0.0
    slow: float = 0.0
    slow_factor: float = 1.5
    stretch_ms: tuple[float, float] = (50.0, 2000.0)
    levels: tuple[float, ...] = (1.0,)


class Simulated:
    """The runtime of such a device. A campaign begins with the preparation of the canary."""

    name = "torch"
    device = "cpu"
    shares_host = False

    def __init__(
        self,
        law: Law | None = None,
        disturbed: Disturbed | None = None,
        seed: int = 0,
        protocol: Protocol | None = None,
    ) -> None:
        self.law, self.disturbed = law or Law(), disturbed or Disturbed()
        self.protocol = protocol or Protocol()
        self.now_ms, self.read_bytes, self.campaigns = 0.0, 0.0, 0
        self._rng = np.random.default_rng(seed)
        self._slow, self._until_ms = False, 0.0

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        if piece == canary.piece():
            self.campaigns += 1
        return PreparedSimulated(self, blocks(piece, self.law))

    def conditions(self) -> dict[str, Any]:
        return {
            "runtime": self.name,
            "device": self.device,
            "batch": 1,
            "dtype": "float32",
            "law": repr(self.law),
        }

    def bench(self) -> LocalBench:
        """Return a bench of this device on the device's clock."""
        return LocalBench(self, clock=self.clock, sleep=self.sleep)

    def clock(self) -> float:
        """Return the seconds of the device's clock."""
        return self.now_ms / 1000

    def sleep(self, seconds: float) -> None:
        """Let time pass on the device's clock."""
        self.now_ms += 1000 * seconds

    def spend(self, ms: float) -> float:
        """Do work that takes so long undisturbed; return how long it took."""
        disturbed, rng = self.disturbed, self._rng
        taken = ms * disturbed.levels[max(0, self.campaigns - 1) % len(disturbed.levels)]
        taken *= 1 + disturbed.noise * abs(rng.standard_normal())
        if disturbed.slow and self._in_slow_stretch():
            taken *= disturbed.slow_factor
        if disturbed.preemptions:
            hits = rng.poisson(disturbed.preemptions * taken / 1000)
            taken += float(rng.uniform(1, 10, hits).sum())
        self.now_ms += taken
        return taken

    def _in_slow_stretch(self) -> bool:
        while self.now_ms >= self._until_ms:
            self._slow = not self._slow
            low, high = np.log(self.disturbed.stretch_ms)
            stretch = float(np.exp(self._rng.uniform(low, high)))
            share = self.disturbed.slow if self._slow else 1 - self.disturbed.slow
            self._until_ms += stretch * share / self.disturbed.slow
        return self._slow


class PreparedSimulated(Prepared):
    """Blocks with the time they take and their weights, as timed parts."""

    def __init__(self, on: Simulated, stages: Sequence[Sequence[tuple[float, float]]]) -> None:
        self.parts = tuple(len(stage) for stage in stages)
        self._on, self._stages = on, stages
        self._read: dict[tuple[int, int], float] = {}

    def run(self, stages: int) -> list[float]:
        on, taken = self._on, []
        for index, stage in enumerate(self._stages[:stages]):
            for place, (ms, weights) in enumerate(stage):
                on.read_bytes += weights
                since = on.read_bytes - self._read.get((index, place), -inf)
                self._read[index, place] = on.read_bytes
                taken.append(on.spend(ms + on.law.missed_ms(weights, since)))
        return taken

    def close(self) -> None:
        pass
