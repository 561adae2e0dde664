"""When a learning controller looks at the record again: always at first, then every 2 % more."""

from collections.abc import Sequence

SHARE = 50
"""A look for every 1 / SHARE more trials."""
EVERY = 5
"""Trials between two looks at which something slow is done, at least."""


def looks(first: int, told: int, every: int = 1) -> list[int]:
    """The numbers of told trials at which the controller looks, `first` up to `told`.

    every: trials between two looks, at least.
    """
    found, at = [], first
    while at <= told:
        found.append(at)
        at += max(every, at // SHARE)
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
