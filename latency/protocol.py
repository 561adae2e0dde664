"""How a measurement is laid out in time, and the statistics that turn samples into latencies.

Other work on the machine disturbs samples in two ways: preemption lengthens single passes, and
shared caches, frequency and sibling threads slow everything for seconds. Means and medians carry
both into the result. A low quantile over rounds that lie apart in time sees through them, and more
so the shorter the piece of work: on a busy machine no whole pass goes undisturbed, but each block
of the network does in some pass. So blocks are timed one by one within whole passes, where caches
are as they are in use, and an exit's latency is the sum of the low quantiles of its blocks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latency.source import LatencyEstimate, PerExit

Samples = NDArray[np.float64]
"""Milliseconds of each block in each timed pass: [rounds, repeats, blocks]."""

SPREAD = (0.1, 0.9)
"""Quantiles over rounds that bound the interval of an estimate."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What one network gets in one round: untimed passes, then timed ones."""

    warm_up: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Protocol:
    """A measurement: in each of ``rounds`` every network is visited once, in a new order.

    A visit has up to ``warm_up`` untimed and ``repeats`` timed passes; networks so slow that these
    last longer than ``visit_ms`` get fewer, but at least one of each. ``quantile`` in [0, 1) of a
    block's samples is its time; 0 is the minimum.
    """

    rounds: int = 12
    warm_up: int = 1
    repeats: int = 3
    visit_ms: float = 40.0
    quantile: float = 0.0

    def visit(self, pass_ms: float) -> Visit:
        """Return the passes of one visit to a network whose pass takes ``pass_ms``."""
        wanted = self.warm_up + self.repeats
        passes = max(2, min(wanted, int(self.visit_ms / max(pass_ms, 1e-6))))
        warm_up = max(1, passes * self.warm_up // wanted)
        return Visit(warm_up, passes - warm_up)

    def orders(self, networks: int, rng: np.random.Generator) -> Iterator[list[int]]:
        """Yield per round the order of visits, every network once."""
        for _ in range(self.rounds):
            yield [int(index) for index in rng.permutation(networks)]

    def facts(self) -> dict[str, Any]:
        """Return the numbers of the protocol, and its statistic in words, as JSON values."""
        statistic = f"sum over blocks of the {self.quantile:g} quantile of all passes"
        return {"statistic": statistic, **asdict(self)}


def summarise(samples: Samples, blocks: Sequence[int], quantile: float) -> PerExit:
    """Turn the samples of one network, [rounds, repeats, blocks] in ms, into its latencies.

    ``blocks`` counts the blocks of each stage. The latency of exit k is the sum, over all blocks
    of stages 0..k, of the block's low quantile over all passes. The interval is the spread (0.1 to
    0.9 quantile) of the same figure taken round by round, widened where needed to hold the latency:
    a round alone is rarely as good as the best of all rounds, so latency lies near the low end.
    """
    assert sum(blocks) == samples.shape[2], "every block belongs to a stage"
    ends = np.cumsum(blocks) - 1
    pooled = samples.reshape(-1, samples.shape[2])
    latency = np.cumsum(np.quantile(pooled, quantile, axis=0))[ends]
    by_round = np.cumsum(np.quantile(samples, quantile, axis=1), axis=1)[:, ends]
    low, high = np.quantile(by_round, SPREAD, axis=0)
    return tuple(
        LatencyEstimate(float(ms), float(min(a, ms)), float(max(b, ms)), "measured")
        for ms, a, b in zip(latency, low, high, strict=True)
    )
