"""How the times of blocks make up that of a network, learnt from a few measured networks.

Blocks are timed one by one within networks, where caches are as they are in use, yet a stage in one
piece differs: it is called once instead of once a block, and gives the tensors that later stages
read. So

    ms(stage) = a * sum of its blocks + b * number of its blocks + c + d * tensors handed on

by least squares of what a stage is off relative to its whole network, under a slight ridge towards
the plain sum. Four numbers stay true for other networks, sizes of image and weights than those
that they were learnt from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PLAIN = (1.0, 0.0, 0.0, 0.0)
RIDGE = (1e-6, 1e-3, 1e-3, 1e-3)
"""The sum itself is left free: a device may be slower on the whole."""
LEAST = 0.2
"""A stage is never said to take less than this share of the sum of its blocks."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Of one network, of each stage: milliseconds and number of its blocks [stages].

    ``guessed_ms``: how much of the milliseconds was not measured but guessed. ``handed_on``: the
    tensors that a stage gives to later ones.
    """

    block_ms: Sequence[float]
    guessed_ms: Sequence[float]
    blocks: Sequence[int]
    handed_on: Sequence[int]


@dataclass(frozen=True, slots=True)
class Composition:
    """The factor of the sum of blocks; milliseconds for each block, stage and tensor handed on."""

    factor: float = 1.0
    block_ms: float = 0.0
    stage_ms: float = 0.0
    state_ms: float = 0.0

    def ms(self, sums: Sums) -> list[float]:
        """Return the milliseconds up to each exit; they grow from exit to exit."""
        # Plain floats: for the few stages of a network arrays are slower.
        total, exits = 0.0, []
        for ms, blocks, state in zip(sums.block_ms, sums.blocks, sums.handed_on, strict=True):
            said = self.factor * ms + self.block_ms * blocks + self.stage_ms
            said += self.state_ms * state
            total += max(said, LEAST * ms, 1e-6)
            exits.append(total)
        return exits


def learnt(networks: Sequence[Sums], measured: Sequence[Floats]) -> Composition:
    """Learn from networks and their measured milliseconds up to each exit, [exits] each."""
    rows, wanted = [], []
    for sums, exits in zip(networks, measured, strict=True):
        stages = np.diff(exits, prepend=0.0)
        terms = np.array([sums.block_ms, sums.blocks, np.ones(len(stages)), sums.handed_on]).T
        rows.append(terms / exits[-1])
        wanted.append(stages / exits[-1])
    terms, shares = np.concatenate(rows), np.concatenate(wanted)
    scale = np.sqrt((terms**2).sum(axis=0))
    scale[scale == 0] = 1.0  # networks of one stage hand nothing on: the ridge says 0 then
    terms = terms / scale
    ridge = np.diag(RIDGE)
    numbers = np.linalg.solve(terms.T @ terms + ridge, terms.T @ shares + ridge @ (PLAIN * scale))
    return Composition(*map(float, numbers / scale))
