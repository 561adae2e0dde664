"""A bench: a runtime on a device where pieces of work are measured together, on a quiet lane."""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latency import campaign, canary, host
from latency.blocks import BlockKey, walk
from latency.campaign import Taken
from latency.errors import LatencyError
from latency.fingerprint import Fingerprint
from latency.lane import Lane, Passage
from latency.protocol import Protocol as MeasuringProtocol
from latency.protocol import summarise
from latency.runtimes import copies, preparing
from latency.runtimes.runtime import Observable, Piece, Prepared, Rearranging, Runtime
from latency.source import PerExit
from search_spaces.blocks import BlockGraph, Norm

Say = Callable[[str, int, int], None]
"""Told what is being done and how much of it is done: ("rounds", 3, 12). May raise to end it.

More may be done than was foreseen: rounds go on until they agree.
"""
Said = tuple[str, int, int]
"""What it is told."""


def silent(what: str, done: int, of: int) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The measurement of some pieces, and in ``facts`` how it went (load, seconds, lane...)."""

    taken: Taken
    facts: dict[str, Any]
    protocol: MeasuringProtocol


class Bench(Protocol):
    """Where campaigns are run: on this host, or by an agent on another one."""

    @property
    def name(self) -> str:
        """The runtime, such as ``torch``."""

    @property
    def device(self) -> str:
        """Where it runs, such as ``cpu``."""

    @property
    def protocol(self) -> MeasuringProtocol:
        """The protocol that suits the runtime."""

    def fingerprint(self) -> Fingerprint:
        """Return all that a figure measured here depends on."""

    def blocks(self, graphs: Sequence[BlockGraph], say: Say = silent) -> dict[BlockKey, bool]:
        """Return all blocks of these networks, with the layouts of their inputs there.

        The value is whether the block leaves its answer in the runtime's own layout.
        """

    def measure(
        self,
        pieces: Sequence[Piece],
        seed: int,
        protocol: MeasuringProtocol | None = None,
        say: Say = silent,
    ) -> Batch:
        """Measure pieces together in one campaign, with the canary; ``seed`` draws all chance.

        Raises LatencyError where a piece cannot be run or its answers are not finite.
        """


@dataclass(frozen=True)
class LocalBench:
    """A runtime driven by this process. ``lane``: where trainings on this host stand still.

    clock, sleep: seconds; a simulated device brings its own.
    """

    runtime: Runtime
    lane: Lane = field(default_factory=Lane)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @property
    def name(self) -> str:
        return self.runtime.name

    @property
    def device(self) -> str:
        return self.runtime.device

    @property
    def protocol(self) -> MeasuringProtocol:
        return self.runtime.protocol

    def fingerprint(self) -> Fingerprint:
        facts = self.runtime.conditions()
        return facts if "host" in facts else {**facts, "host": host.facts()}

    def blocks(self, graphs: Sequence[BlockGraph], say: Say = silent) -> dict[BlockKey, bool]:
        found: dict[BlockKey, bool] = {}
        for done, graph in enumerate(graphs, start=1):
            walk(graph, partial(self._answers_in_own, found, graph.norm))
            say("blocks of networks", done, len(graphs))
        return found

    def _answers_in_own(self, found: dict[BlockKey, bool], norm: Norm, key: BlockKey) -> bool:
        if key not in found:
            piece = Piece.block(key.spec, key.shapes, norm, key.own)
            runtime = self.runtime
            found[key] = isinstance(runtime, Rearranging) and runtime.answers_in_own(piece)
        return found[key]

    def measure(
        self,
        pieces: Sequence[Piece],
        seed: int,
        protocol: MeasuringProtocol | None = None,
        say: Say = silent,
    ) -> Batch:
        protocol, start = protocol or self.protocol, time.monotonic()
        before, state = host.load_average(), self._state()
        quiet = self.lane.measuring() if self.runtime.shares_host else nullcontext()
        with self._prepared(pieces, seed, protocol.copies, say) as (items, watch), quiet as passage:
            switched = _switches()
            taken = campaign.run(
                items,
                protocol,
                np.random.default_rng(seed),
                watch,
                lambda done: say("rounds", done, protocol.rounds),
                self.clock,
                self.sleep,
            )
            switched = _switches() - switched
        return Batch(
            taken,
            {
                "items": len(items),
                "rounds": [len(samples) for samples in taken.samples],
                "seconds": round(time.monotonic() - start, 1),
                "canary_ms": _number(canary.floor_ms(taken.canary)),
                "restlessness": _number(canary.restlessness(taken.canary)),
                "busy": bool(canary.restlessness(taken.canary) > canary.BUSY),
                "load_before": before,
                "load_after": host.load_average(),
                "preemptions": switched,
                **_lane_facts(passage),
                **({"state_before": state, "state_after": self._state()} if state else {}),
            },
            protocol,
        )

    def _state(self) -> dict[str, Any] | None:
        return self.runtime.state() if isinstance(self.runtime, Observable) else None

    @contextmanager
    def _prepared(
        self, pieces: Sequence[Piece], seed: int, count: int, say: Say
    ) -> Iterator[tuple[list[Prepared], Prepared]]:
        ready: list[Prepared] = []
        with ExitStack() as stack:
            for piece in (canary.piece(), *pieces):
                make = partial(preparing.prepare, self.runtime, piece, seed)
                ready.append(copies.prepared(make, count))
                stack.callback(ready[-1].close)
                say("preparing", len(ready) - 1, len(pieces))
            yield ready[1:], ready[0]


class DeviceLost(LatencyError):
    """The device itself is gone: it would measure nothing else either."""


def latencies(batch: Batch) -> tuple[PerExit, ...]:
    """Return the latency of each exit of each item."""
    taken = zip(batch.taken.samples, batch.taken.parts, strict=True)
    return tuple(summarise(samples, parts, batch.protocol.quantile) for samples, parts in taken)


def noises(batch: Batch) -> NDArray[np.float64]:
    """Return of each item how much its even and odd rounds differ, relative."""
    return batch.taken.noises(batch.protocol.quantile)


def reliances(batch: Batch) -> NDArray[np.float64]:
    """Return of each item how much longer it would seem without a third of its rounds, relative."""
    return batch.taken.reliances(batch.protocol.quantile)


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _number(value: float) -> float | None:
    return round(value, 6) if value == value else None


def _lane_facts(passage: Passage | None) -> dict[str, Any]:
    if passage is None:
        return {}
    return {"lane_contended": passage.contended, "lane_waited_ms": round(passage.waited_ms, 1)}
