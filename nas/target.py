"""The latency to aim at when the user names none."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latency.source import LatencySource
from nas.proposals import derived_seed
from search_spaces.space import SearchSpace

ARCHITECTURES = 32
PERCENTILE = 30


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
) -> Target:
    """The 30th percentile of the last exit's latency over 32 random architectures.

    Fast enough that most networks have to give something up for it, and not so fast that none can
    reach it. `check` is called before each, to raise where the search is to stop.
    Raises LatencyError.
    """
    rng = np.random.default_rng(derived_seed(seed, "target"))
    latencies: list[float] = []
    for _ in range(ARCHITECTURES):
        check()
        graph = space.blocks(space.sample(rng), image, classes)
        latencies.append(source.estimate(graph, seed)[-1].latency_ms)
    return Target(
        round(float(np.percentile(latencies, PERCENTILE)), 6),
        f"{PERCENTILE}th percentile of {ARCHITECTURES} random architectures",
    )
