"""How a measurement is laid out in time, and the statistics that turn samples into latencies.

Other work on the machine disturbs samples in two ways: preemption lengthens single passes, and
shared caches, frequency and sibling threads slow everything for seconds. Means and medians carry
both into the result. A low quantile over rounds that lie apart in time sees through them, and more
so the shorter the piece of work: on a busy machine no whole pass goes undisturbed, but each part
of the network does in some pass. So parts (blocks, or stages where a runtime cannot look inside)
are timed one by one within whole passes, where caches are as they are in use, and an exit's latency
is the sum of the low quantiles of its parts.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latency.source import LatencyEstimate, PerExit

Samples = NDArray[np.float64]
"""Milliseconds of each part in each timed pass: [rounds, repeats, parts]."""

PATIENT_S = 45.0
"""A device's speed drifts by some percent within half a minute: so long, and it was seen at its
fastest."""

STRETCHES = 3
"""Stretches of a campaign: as many as twelve rounds have with four copies, all of them in each."""

SPREAD = (0.1, 0.9)
"""Quantiles over rounds that bound the interval of an estimate."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What one item gets in one round: untimed passes, then timed ones."""

    warm_up: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Protocol:
    """A measurement: in each round every item is visited once, in a new order.

    A visit has up to ``warm_up`` untimed and ``repeats`` timed passes; items so slow that these
    last longer than ``visit_ms`` get fewer, but at least one of each. ``quantile`` in [0, 1) of a
    part's samples is its time; 0 is the minimum.

    After ``rounds`` rounds the measurement is done once, for nine items in ten, the times of even
    and of odd rounds differ by no more than ``tolerance`` (relative), at the latest after
    ``most_rounds``. All items get the same number: the lowest of more samples is lower. Rounds
    begin at least ``apart_s`` seconds after one another, and the first ``rounds`` are spread over
    ``over_s`` at least: what slows a machine for seconds must not cover them all. Every item is
    prepared ``copies`` times, and rounds take turns with them: where in memory it comes to lie is
    chance, of which the luckiest counts. Of an even number of copies even and odd rounds have
    different ones.
    """

    rounds: int = 12
    warm_up: int = 1
    repeats: int = 3
    visit_ms: float = 40.0
    quantile: float = 0.0
    tolerance: float = 0.02
    most_rounds: int = 12
    apart_s: float = 0.0
    over_s: float = 0.0
    copies: int = 1

    def visit(self, pass_ms: float) -> Visit:
        """Return the passes of one visit to an item whose pass takes ``pass_ms``."""
        wanted = self.warm_up + self.repeats
        passes = max(2, min(wanted, int(self.visit_ms / max(pass_ms, 1e-6))))
        warm_up = max(1, passes * self.warm_up // wanted)
        return Visit(warm_up, passes - warm_up)

    def patient(self) -> "Protocol":
        """Return it spread over `PATIENT_S`, for campaigns that are to compare with later ones.

        Where rounds need no time between them (a device that computes its times) nothing changes.
        """
        return replace(self, over_s=max(self.over_s, PATIENT_S)) if self.apart_s else self

    def pause_s(self, done: int) -> float:
        """Return the seconds from the start of a round, the ``done``-th, to that of the next."""
        return max(self.apart_s, self.over_s / self.rounds if done < self.rounds else 0.0)

    def facts(self) -> dict[str, Any]:
        """Return the numbers of the protocol, and its statistic in words, as JSON values."""
        statistic = f"sum over parts of the {self.quantile:g} quantile of all passes"
        return {"statistic": statistic, **asdict(self)}


def part_times(samples: Samples, quantile: float) -> NDArray[np.float64]:
    """Return the milliseconds of each part: the low quantile over all passes of all rounds."""
    times: NDArray[np.float64] = np.quantile(
        samples.reshape(-1, samples.shape[2]), quantile, axis=0
    )
    return times


def noise(samples: Samples, quantile: float) -> float:
    """Return how much the whole item's time differs between even and odd rounds, relative.

    NaN for a single round, which cannot be compared.
    """
    if len(samples) < 2:
        return float("nan")
    even, odd = (float(part_times(samples[start::2], quantile).sum()) for start in (0, 1))
    return abs(even - odd) / min(even, odd)


def reliance(samples: Samples, quantile: float) -> float:
    """Return how much longer the whole item would seem without one third of the rounds, relative.

    Of the thirds, which are in the order of time, the one that matters most counts. Even and odd
    rounds see the same speed of a device whose speed drifts slowly; thirds do not. A slow stretch
    is no reason for doubt, since low quantiles leave it out, but a fast one that none of the others
    confirms is: another campaign may not meet its like. NaN for fewer rounds than thirds.
    """
    if len(samples) < STRETCHES:
        return float("nan")
    whole = float(part_times(samples, quantile).sum())
    without = (
        float(part_times(np.delete(samples, third, axis=0), quantile).sum())
        for third in np.array_split(np.arange(len(samples)), STRETCHES)
    )
    return max(max(without) / whole - 1, 0.0)


def summarise(samples: Samples, parts: Sequence[int], quantile: float) -> PerExit:
    """Turn the samples of one network, [rounds, repeats, parts] in ms, into its latencies.

    ``parts`` counts the parts of each stage. The latency of exit k is the sum, over all parts of
    stages 0..k, of the part's low quantile over all passes. The interval is the spread (0.1 to
    0.9 quantile) of the same figure taken round by round, widened where needed to hold the latency:
    a round alone is rarely as good as the best of all rounds, so latency lies near the low end.
    """
    assert sum(parts) == samples.shape[2], "every part belongs to a stage"
    ends = np.cumsum(parts) - 1
    latency = np.cumsum(part_times(samples, quantile))[ends]
    by_round = np.cumsum(np.quantile(samples, quantile, axis=1), axis=1)[:, ends]
    low, high = np.quantile(by_round, SPREAD, axis=0)
    return tuple(
        LatencyEstimate(float(ms), float(min(a, ms)), float(max(b, ms)), "measured")
        for ms, a, b in zip(latency, low, high, strict=True)
    )
