"""What was seen of blocks while networks ran block by block, and the table that comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latency.blocks import BlockKey, walk
from latency.model import work
from latency.model.model import Row
from search_spaces.blocks import BlockGraph

Floats = NDArray[np.float64]

LEAST = 0.1
"""Share of a block's time that is left, however much calling the runtime costs."""


@dataclass(frozen=True, slots=True)
class Block:
    """A distinct block. ``ms``, ``noise``: in each network that has it, by the network's index."""

    key: BlockKey
    own: bool
    ms: Mapping[int, float]
    noise: float

    def row(self, networks: frozenset[int]) -> Row:
        """Return the row of the table that these networks make, at least one of which has it."""
        ms = float(np.mean([self.ms[each] for each in networks & self.ms.keys()]))
        return Row(ms, self.noise, work.of_block(self.key), self.own)


@dataclass(frozen=True, slots=True)
class Seen:
    """All distinct blocks, and how many networks there were."""

    blocks: tuple[Block, ...]
    networks: int

    def rows(
        self, without: frozenset[int] = frozenset(), fall_back: bool = False
    ) -> dict[str, Row]:
        """Return the table by the texts of the keys, as if there were no networks ``without``.

        fall_back: blocks that only those have are in it all the same.
        """
        kept = frozenset(range(self.networks)) - without
        rows = {}
        for block in self.blocks:
            if kept & block.ms.keys():
                rows[block.key.text] = block.row(kept)
            elif fall_back:
                rows[block.key.text] = block.row(without)
        return rows


def seen(
    graphs: Sequence[BlockGraph],
    own: Mapping[BlockKey, bool],
    times: Sequence[Floats],
    noises: Sequence[float] | Floats,
    calling_ms: float,
) -> Seen:
    """Gather what was seen.

    own: of each block, whether it leaves its answer in the runtime's own layout. times: of each
    network, milliseconds of its blocks in the order in which they run, with the cost of calling the
    runtime, which is taken off. noises: of each network.
    """
    found: dict[BlockKey, dict[int, list[float]]] = {}
    for index, (graph, blocks_ms) in enumerate(zip(graphs, times, strict=True)):
        keys = [key for stage in walk(graph, own.__getitem__) for _, key in stage]
        for key, ms in zip(keys, map(float, blocks_ms), strict=True):
            here = found.setdefault(key, {}).setdefault(index, [])
            here.append(max(ms - calling_ms, LEAST * ms))
    blocks = (
        Block(
            key,
            own[key],
            {index: float(np.mean(ms)) for index, ms in where.items()},
            float(np.mean([noises[index] for index in where])),
        )
        for key, where in found.items()
    )
    return Seen(tuple(blocks), len(graphs))
