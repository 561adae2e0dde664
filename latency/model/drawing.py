"""Random networks, each of them once."""

import numpy as np

from search_spaces.architecture import Architecture
from search_spaces.space import SearchSpace

REPEATS = 100
"""Draws in a row that may repeat a known network before a space is taken for exhausted."""


def distinct(space: SearchSpace, count: int, rng: np.random.Generator) -> tuple[Architecture, ...]:
    """Draw different random networks; fewer than asked for where a space has hardly more."""
    drawn: dict[str, Architecture] = {}
    repeated = 0
    while len(drawn) < count and repeated <= REPEATS:
        architecture = space.sample(rng)
        repeated = repeated + 1 if architecture.key in drawn else 0
        drawn.setdefault(architecture.key, architecture)
    return tuple(drawn.values())
