"""The latency to aim at when the user names none."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latency.bench import DeviceLost
from latency.source import LatencySource
from nas.proposals import derived_seed
from search_spaces.blocks import BlockGraph
from search_spaces.space import SearchSpace

ARCHITECTURES = 32
PERCENTILE = 30
_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Target:
    """A latency in milliseconds and, in words, where it comes from."""

    latency_ms: float
    found: str


def from_random(
    space: SearchSpace,
    source: LatencySource,
    image: tuple[int, int, int],
    classes: int,
    seed: int,
    check: Callable[[], None],
    say: Callable[[str], None] = lambda line: None,
) -> Target:
    """The 30th percentile of the last exit's latency over 32 random architectures.

    Fast enough that most networks have to give something up for it, and not so fast that none can
    reach it. An architecture that cannot be timed is drawn again. `check` is called before every
    measurement, of eight together, to raise where the search is to stop; `say` hears how many are
    done. Raises what the source raises if it can time almost none.
    """
    rng = np.random.default_rng(derived_seed(seed, "target"))
    latencies: list[float] = []
    failures: list[Exception] = []
    while len(latencies) < ARCHITECTURES:
        count = min(_TOGETHER, ARCHITECTURES - len(latencies))
        drawn = [space.blocks(space.sample(rng), image, classes) for _ in range(count)]
        latencies += _timed(source, drawn, seed, failures, check)
        if len(failures) > ARCHITECTURES:
            raise failures[-1]
        say(f"{len(latencies)}/{ARCHITECTURES} architectures timed")
    return Target(
        round(float(np.percentile(latencies, PERCENTILE)), 6),
        f"{PERCENTILE}th percentile of {ARCHITECTURES} random architectures",
    )


def _timed(
    source: LatencySource,
    graphs: list[BlockGraph],
    seed: int,
    failures: list[Exception],
    check: Callable[[], None],
) -> list[float]:
    """Milliseconds to the last exit of those that can be timed; the others go to `failures`."""
    check()
    try:
        return [exits[-1].latency_ms for exits in source.estimate_many(graphs, seed)]
    except DeviceLost:
        raise
    except (ValueError, RuntimeError, MemoryError) as error:
        if len(graphs) == 1:
            failures.append(error)
            return []
    # One of them spoiled it for all: each by itself.
    alone = (_timed(source, [graph], seed, failures, check) for graph in graphs)
    return [latency for found in alone for latency in found]
