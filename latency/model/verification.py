"""Holding a latency source against a new campaign on networks that it may never have seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latency.bench import Batch, Bench, Say, latencies, noises, silent
from latency.model.errors import Errors, compare
from latency.runtimes.runtime import Piece
from latency.source import LatencySource, PerExit
from search_spaces.blocks import BlockGraph


@dataclass(frozen=True, slots=True)
class Verification:
    """What was said and what was measured, of each network and exit; ``drift``: the canary's.

    ``drift`` is how many times slower the device was than when the model was fitted, None where
    that is not known. ``errors`` are of the last exits and as measured: drift is part of them.
    """

    runtime: str
    device: str
    errors: Errors
    said: tuple[PerExit, ...]
    measured: tuple[PerExit, ...]
    noises: tuple[float, ...]
    drift: float | None
    batch: Batch

    def as_json(self) -> dict[str, Any]:
        """Return everything but the raw samples as JSON values."""
        rows = zip(self.said, self.measured, self.noises, strict=True)
        return {
            "device": self.device,
            "runtime": self.runtime,
            **self.errors.as_json(),
            "drift": self.drift,
            "facts": self.batch.facts,
            "networks": [
                {
                    "error": said[-1].latency_ms / true[-1].latency_ms - 1,
                    "noise": noise,
                    "exits": [
                        {
                            "estimate_ms": one.latency_ms,
                            "low_ms": one.low_ms,
                            "high_ms": one.high_ms,
                            "how": one.how,
                            "measured_ms": other.latency_ms,
                        }
                        for one, other in zip(said, true, strict=True)
                    ],
                }
                for said, true, noise in rows
            ],
        }


def verify(
    source: LatencySource,
    bench: Bench,
    graphs: Sequence[BlockGraph],
    seed: int = 0,
    say: Say = silent,
) -> Verification:
    """Measure networks in one campaign and compare what the source says of them.

    ``graphs``: at least one. Raises what the bench raises.
    """
    said = source.estimate_many(graphs)
    pieces = [Piece.network(graph) for graph in graphs]
    batch = bench.measure(pieces, seed, bench.protocol.patient(), say)
    measured = latencies(batch)
    noise = noises(batch)
    ends = [[each[-1] for each in exits] for exits in (said, measured)]
    low, high = (
        np.array([getattr(each, end) for each in ends[0]]) for end in ("low_ms", "high_ms")
    )
    estimated, true = (np.array([each.latency_ms for each in some]) for some in ends)
    errors = compare(estimated, true, noise, (low, high))
    known, now = getattr(source, "canary_ms", None), batch.facts.get("canary_ms")
    drift = now / known if known and now else None
    return Verification(
        bench.name, bench.device, errors, said, measured, tuple(map(float, noise)), drift, batch
    )
