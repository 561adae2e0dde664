"""What was seen of blocks while networks ran block by block, and the table that comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latency.bench import Batch
from latency.blocks import BlockKey, walk
from latency.model import work
from latency.model.model import Row
from latency.protocol import part_times
from latency.runtimes.runtime import Piece
from search_spaces.blocks import BlockGraph
from search_spaces.residual import Pool

Floats = NDArray[np.float64]

EMPTY = BlockKey(Pool("average", 1, 1, 0), ((1, 1, 1),))
"""A block with next to no work: its time is what calling the runtime costs."""
LEAST = 0.1
"""Share of a block's time that is left, however much calling the runtime costs."""


@dataclass(frozen=True, slots=True)
class Block:
    """A distinct block. ``ms``: in each network that has it, by the network's index."""

    key: BlockKey
    own: bool
    ms: Mapping[int, float]

    def row(self, networks: frozenset[int]) -> Row:
        """Return the row of the table that these networks make, at least one of which has it."""
        ms = float(np.mean([self.ms[each] for each in networks & self.ms.keys()]))
        return Row(ms, work.of_block(self.key), self.own)


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


def pieces(graphs: Sequence[BlockGraph]) -> list[Piece]:
    """Return what has to be measured to see the blocks of networks."""
    calling = Piece.block(EMPTY.spec, EMPTY.shapes, graphs[0].norm)
    return [*(Piece.network(graph, divided=True) for graph in graphs), calling]


def seen(
    graphs: Sequence[BlockGraph], own: Mapping[BlockKey, bool], batch: Batch, first: int = 0
) -> Seen:
    """Gather what was seen of blocks in a batch whose items from ``first`` on are ``pieces``.

    own: of each block, whether it leaves its answer in the runtime's own layout.
    """
    quantile = batch.protocol.quantile
    *times, calling = (part_times(samples, quantile) for samples in batch.taken.samples[first:])
    found: dict[BlockKey, dict[int, list[float]]] = {}
    for index, (graph, blocks_ms) in enumerate(zip(graphs, times, strict=True)):
        keys = [key for stage in walk(graph, own.__getitem__) for _, key in stage]
        for key, ms in zip(keys, map(float, blocks_ms), strict=True):
            here = found.setdefault(key, {}).setdefault(index, [])
            here.append(max(ms - float(calling.sum()), LEAST * ms))
    blocks = (
        Block(key, own[key], {index: float(np.mean(ms)) for index, ms in where.items()})
        for key, where in found.items()
    )
    return Seen(tuple(blocks), len(graphs))
