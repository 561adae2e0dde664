"""What a campaign took, as the facts of a unit."""

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.units import Facts
from latency.bench import Batch, LocalBench, latencies, noises
from latency.blocks import BlockKey
from latency.model.block_table import EMPTY, LEAST
from latency.runtimes.runtime import Piece
from search_spaces.blocks import Norm


def exits_ms(batch: Batch) -> list[list[float]]:
    """Return the milliseconds of each exit of each item."""
    return [[each.latency_ms for each in exits] for exits in latencies(batch)]


def blocks_ms(
    bench: LocalBench, keys: Sequence[BlockKey], norm: Norm, seed: int
) -> tuple[list[float], Batch]:
    """Measure blocks by themselves; return milliseconds without the cost of calling the runtime."""
    pieces = [Piece.block(key.spec, key.shapes, norm, key.own) for key in (EMPTY, *keys)]
    batch = bench.measure(pieces, seed)
    calling, *times = (exits[-1] for exits in exits_ms(batch))
    return [max(ms - calling, LEAST * ms) for ms in times], batch


def went(batch: Batch) -> Facts:
    """Return how a campaign went, and when it ended, in seconds since 1970."""
    left_out = ("rounds",)
    rounds = [int(each) for each in batch.facts["rounds"]]
    return {
        **{name: value for name, value in batch.facts.items() if name not in left_out},
        "rounds": [min(rounds), max(rounds)],
        "campaign_noise": round(float(np.median(noises(batch))), 5),
        "protocol": batch.protocol.facts(),
        "finished": time.time(),
    }
