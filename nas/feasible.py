"""Whether any network of a space lies within the bounds of a search, found out before it begins."""

import math
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import UserError

if TYPE_CHECKING:
    from nas.latency.known import Sizes
    from search_spaces.architecture import Architecture
    from search_spaces.space import SearchSpace

DRAWN = 32
"""Networks drawn; nearly always one of them lies within the bounds."""
LOOKED = 4000
"""Networks looked at before a space is given up: some seconds."""


def refuse_empty(
    space: "SearchSpace", known: "Sizes", seed: int, check: Callable[[], None]
) -> None:
    """Raise UserError where no network within the bounds is found, naming what the nearest needs.

    The neighbours of the nearest are looked at first, then those of the next. `check` is called
    again and again, to raise where the search is to stop.
    """
    rng, order = np.random.default_rng(seed), count()
    waiting: list[tuple[float, int, Architecture]] = []
    seen: set[str] = set()

    def look(found: "Iterable[Architecture]") -> bool:
        """Whether one of them is within the bounds; those that are not wait."""
        for each in found:
            check()
            if each.key not in seen:
                seen.add(each.key)
                heappush(waiting, (known.violation(each), next(order), each))
        return bool(waiting) and waiting[0][0] <= 0

    if look(space.sample(rng) for _ in range(DRAWN)):
        return
    least = waiting[0]
    while waiting and len(seen) < LOOKED:
        _, _, present = heappop(waiting)
        if look(space.neighbours(present)):
            return
        least = min(least, *waiting[:1])
    if math.isinf(least[0]):
        return  # none of them can be built: the trials will say why
    raise UserError(
        f"no network of space {space.name!r} was found within the bounds: the nearest of "
        f"{len(seen):,} has {known.beyond(least[2])}"
    )
