"""How a measurement is laid out in time, and the statistics that turn samples into latencies.

Other work on the machine disturbs samples in two ways: preemption lengthens single passes, and
shared caches, frequency and sibling threads slow everything for seconds. Means and medians carry
both into the result; a low quantile per stage over rounds that lie apart in time sees through them,
and stages are disturbed one by one, so the sum of their quantiles is steadier than a quantile of
whole passes.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latency.source import LatencyEstimate, PerExit

Samples = NDArray[np.float64]
"""Milliseconds of each stage in each timed pass: [rounds, repeats, stages]."""

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
    stage's samples is its time.
    """

    rounds: int = 10
    warm_up: int = 3
    repeats: int = 5
    visit_ms: float = 40.0
    quantile: float = 0.1

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
        statistic = f"sum over stages of the {self.quantile:g} quantile of all passes"
        return {"statistic": statistic, **asdict(self)}


def summarise(samples: Samples, quantile: float) -> PerExit:
    """Turn the samples of one network, [rounds, repeats, stages] in ms, into its latencies.

    The latency of exit k is the sum over stages 0..k of the stage's low quantile over all passes.
    The interval is the spread (0.1 to 0.9 quantile) of the same figure taken round by round,
    widened where needed to hold the latency.
    """
    rounds, repeats, stages = samples.shape
    pooled = samples.reshape(rounds * repeats, stages)
    latency = np.cumsum(np.quantile(pooled, quantile, axis=0))
    by_round = np.cumsum(np.quantile(samples, quantile, axis=1), axis=1)
    low, high = np.quantile(by_round, SPREAD, axis=0)
    return tuple(
        LatencyEstimate(float(ms), float(min(a, ms)), float(max(b, ms)), "measured")
        for ms, a, b in zip(latency, low, high, strict=True)
    )
