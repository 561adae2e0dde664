"""Whether any network of a space lies within the bounds of a search, found out before it begins."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import UserError

if TYPE_CHECKING:
    from nas.latency.known import Sizes
    from search_spaces.architecture import Architecture
    from search_spaces.space import SearchSpace

DRAWN = 32
"""Networks drawn; nearly always one of them lies within the bounds."""
DESCENTS = 3
"""From the nearest of them down to what has no neighbour that is nearer."""


def refuse_empty(
    space: "SearchSpace", known: "Sizes", seed: int, check: Callable[[], None]
) -> None:
    """Raise UserError where no network within the bounds is found, naming what the nearest needs.

    `check` is called again and again, to raise where the search is to stop.
    """
    rng = np.random.default_rng(seed)
    drawn: list[tuple[float, int, Architecture]] = []
    for at in range(DRAWN):
        check()
        architecture = space.sample(rng)
        drawn.append((_violation(known, architecture), at, architecture))
        if drawn[-1][0] <= 0:
            return
    found = []
    for beyond, at, architecture in sorted(drawn)[:DESCENTS]:
        found.append((*_descended(space, known, beyond, architecture, check), at))
        if found[-1][0] <= 0:
            return
    if all(math.isinf(each[0]) for each in found):
        return  # none of them can be built: the trials will say why
    _, nearest, _ = min(found, key=lambda each: (each[0], each[2]))
    raise UserError(
        f"no network of space {space.name!r} is within the bounds: the nearest found has "
        f"{known.beyond(nearest)}"
    )


def _descended(
    space: "SearchSpace",
    known: "Sizes",
    beyond: float,
    start: "Architecture",
    check: Callable[[], None],
) -> "tuple[float, Architecture]":
    """What is reached by going to the nearest neighbour for as long as it is nearer."""
    present = start
    while beyond > 0:
        check()
        near = [(_violation(known, each), each) for each in space.neighbours(present)]
        nearest, architecture = min(near, key=lambda each: each[0], default=(math.inf, present))
        if nearest >= beyond:
            break
        beyond, present = nearest, architecture
    return beyond, present


def _violation(known: "Sizes", architecture: "Architecture") -> float:
    """How far it is beyond the bounds; what cannot be built is beyond all."""
    try:
        return known.violation(architecture)
    except (ValueError, RuntimeError):
        return math.inf
