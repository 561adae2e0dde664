"""How latencies are usually measured, to compare with."""

from collections.abc import Sequence

import numpy as np

from latency.campaign import collector_still
from latency.runtimes.runtime import Prepared


def sequential_median(
    items: Sequence[Prepared], passes: int, warm_up: int = 10
) -> tuple[tuple[float, ...], ...]:
    """Return milliseconds of each exit of each item: the median of whole passes, item by item.

    Every item is run ``warm_up`` times untimed, then ``passes`` times in a row; then comes the
    next one. The time of an exit is the median over the passes of the time up to it.
    """
    with collector_still():
        return tuple(_median(item, passes, warm_up) for item in items)


def _median(item: Prepared, passes: int, warm_up: int) -> tuple[float, ...]:
    every = len(item.parts)
    for _ in range(warm_up):
        item.run(every)
    taken = np.cumsum([item.run(every) for _ in range(passes)], axis=1)
    ends = np.cumsum(item.parts) - 1
    return tuple(float(ms) for ms in np.median(taken[:, ends], axis=0))
