"""Timing many prepared items in one interleaved campaign, a fixed canary among them."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from latency.protocol import Protocol, Samples, Visit, noise, reliance
from latency.runtimes.runtime import Prepared

CANARY_EVERY = 25
"""Visits between two visits to the canary, at most."""
CANARY_VISITS = 3
"""To the canary in a round, at least: its floor is the lower the more there are."""
PROBES = 5
"""Passes by which the length of an item's visits is set."""
AGREEING = 0.9
"""Share of the items whose rounds have to agree."""


LONGEST_S = 1.0
"""Seconds without asking whether to go on."""
WAKING_S = 0.5
"""A processor that slept is slow at first, and its caches are empty: so long it works untimed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a campaign took: per item ``samples`` [rounds, repeats, parts] in ms, in its order.

    ``parts``: of each item, how many parts each of its stages has. ``canary``: milliseconds of
    each timed pass of the canary, in the order in which they ran; empty without one.
    """

    samples: tuple[Samples, ...]
    parts: tuple[tuple[int, ...], ...]
    canary: NDArray[np.float64]

    def noises(self, quantile: float) -> NDArray[np.float64]:
        """Return of each item how much its even and odd rounds differ, relative."""
        return np.array([noise(each, quantile) for each in self.samples])

    def reliances(self, quantile: float) -> NDArray[np.float64]:
        """Return of each item how much longer it would seem without a third, relative."""
        return np.array([reliance(each, quantile) for each in self.samples])


@contextmanager
def collector_still() -> Iterator[None]:
    """Keep the garbage collector still; afterwards it is as it was."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def run(
    items: Sequence[Prepared],
    protocol: Protocol,
    rng: np.random.Generator,
    canary: Prepared | None = None,
    between: Callable[[int], None] = lambda done: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Taken:
    """Visit all items by the protocol and return their samples.

    between: called after each round with the number of rounds done; what it raises ends the
    campaign. clock, sleep: seconds.
    """
    with collector_still():
        visits = [protocol.visit(_pass_ms(item)) for item in items]
        taken: list[list[list[list[float]]]] = [[] for _ in items]
        beats: list[float] = []
        most = max(protocol.rounds, protocol.most_rounds)
        for done in range(1, most + 1):
            start = clock()
            for place, index in enumerate(map(int, rng.permutation(len(items)))):
                if canary is not None:
                    for _ in range(_canary_visits(place, len(items))):
                        beats += [sum(once) for once in canary.visit(Visit(2, 3))]
                taken[index].append(items[index].visit(visits[index]))
            between(done)
            if done == most or (done >= protocol.rounds and _agrees(taken, protocol)):
                break
            until = start + protocol.pause_s(done)
            _wait(until, partial(between, done), clock, sleep, canary)
    return Taken(
        tuple(np.array(rounds, dtype=np.float64) for rounds in taken),
        tuple(item.parts for item in items),
        np.array(beats, dtype=np.float64),
    )


def _wait(
    until: float,
    between: Callable[[], None],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    canary: Prepared | None,
) -> None:
    """Let time pass, in pieces so short that a user who wants to stop does not wait.

    The canary runs untimed at the end, except where every pass is a program of its own.
    """
    wakes = canary is not None and canary.consecutive
    asleep_until = until - WAKING_S if wakes else until
    while (left := asleep_until - clock()) > 0:
        sleep(min(left, LONGEST_S))
        between()
    while canary is not None and wakes and clock() < until:
        canary.run(len(canary.parts))


def _agrees(taken: list[list[list[list[float]]]], protocol: Protocol) -> bool:
    """Whether the even and the odd rounds of nearly all items agree."""
    noises = [noise(np.array(rounds, dtype=np.float64), protocol.quantile) for rounds in taken]
    # A single round has no halves that could disagree: its noise is no number.
    # Of few items all but one have to agree: the shortest may never do. Of one or two, all.
    if len(noises) <= 2:
        return not any(each > protocol.tolerance for each in noises)
    return not np.quantile(noises, AGREEING, method="lower") > protocol.tolerance


def _canary_visits(place: int, items: int) -> int:
    """How often the canary is visited before the item at this place of a round."""
    often = max(CANARY_VISITS, -(-items // CANARY_EVERY))
    return -(-(place + 1) * often // items) + (-place * often // items)


def _pass_ms(item: Prepared) -> float:
    """Return the time of a pass, for how many of them a visit has; the first one sets up kernels.

    The fastest of a few: a single one may have been interrupted, and its item would then have fewer
    samples than its like in the whole campaign, and so a higher lowest one. Where every pass is a
    program of its own there is nothing to set up, and one has to do.
    """
    every = len(item.parts)
    if not item.consecutive:
        return sum(item.run(every))
    item.run(every)
    return min(sum(item.run(every)) for _ in range(PROBES))
