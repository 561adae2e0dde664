"""Whether any network of a space lies within the bounds of a search, found out before it begins."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from controllers.candidates import outward
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.latency.known import Sizes
    from search_spaces.architecture import Architecture
    from search_spaces.space import SearchSpace

DRAWN = 32
"""Networks drawn; nearly always one of them lies within the bounds."""


def refuse_empty(
    space: "SearchSpace",
    known: "Sizes",
    seed: int,
    check: Callable[[], None],
    say: Callable[[str], None],
) -> None:
    """Raise UserError where no network within the bounds is found, naming what the nearest needs.

    The neighbours of the nearest are looked at first, then those of the next. `check` is called
    again and again, to raise where the search is to stop; `say` once, where it takes long.
    """
    rng = np.random.default_rng(seed)

    def violation(architecture: "Architecture") -> float:
        check()
        return known.violation(architecture)

    least, nearest, looked = math.inf, None, 0
    for beyond, found in outward(space, (space.sample(rng) for _ in range(DRAWN)), violation):
        if beyond <= 0:
            return
        looked += 1
        if looked == DRAWN:
            say(f"none of {looked} networks is within the bounds yet: looking around the nearest")
        if beyond < least:
            least, nearest = beyond, found
    if nearest is None:
        return  # none of them can be built: the trials will say why
    raise UserError(
        f"no network of space {space.name!r} was found within the bounds: the nearest of "
        f"{looked:,} has {known.beyond(nearest)}"
    )
