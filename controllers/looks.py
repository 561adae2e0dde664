"""When a learning controller looks at the record again: often at first, then every 2 % more."""

from collections.abc import Sequence

EVERY = 5
"""Trials between two looks, at least."""
SHARE = 50
"""Beyond `SHARE * EVERY` trials: a look for every 1 / SHARE more."""


def looks(first: int, told: int) -> list[int]:
    """The numbers of told trials at which the controller looks, `first` up to `told`."""
    found, at = [], first
    while at <= told:
        found.append(at)
        at += max(EVERY, at // SHARE)
    return found


def refits(first: int, told: int) -> int:
    """The last number of told trials at which a model's shape is chosen anew: each 10 % more.

    Not above `told`, which is at least `first`.
    """
    at = first
    while (following := at + max(EVERY, at // 10)) <= told:
        at = following
    return at


def since_best(values: Sequence[float], first: int, look: int) -> int:
    """The last of: `look`, and where a new best value came in after it."""
    best = max(values[:look], default=float("-inf"))
    last = look
    for at in range(max(look, first), len(values)):
        if values[at] > best:
            best, last = values[at], at + 1
    return last
