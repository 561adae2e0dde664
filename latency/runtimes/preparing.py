"""Pieces as they are to be run: in one go, block by block, or with passes in an order of exits.

Block by block, each block is timed where it stands. Alone, run again and again, it would find its
weights, its inputs and even its instructions in the nearest caches. Between the other blocks of a
network it does not: small ones take up to twice as long there.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from latency.blocks import BlockKey, traced
from latency.protocol import Visit
from latency.runtimes.in_order import InOrder
from latency.runtimes.runtime import Dividing, Piece, Prepared, Runtime


def prepare(runtime: Runtime, piece: Piece, seed: int) -> Prepared:
    """Make a piece ready on a runtime; see ``Runtime.prepare``."""
    if piece.order:
        with ExitStack() as undo:
            network = runtime.prepare(piece, seed)
            undo.callback(network.close)
            ordered = InOrder(network, piece.order)
            undo.pop_all()
        return ordered
    if not piece.divided:
        return runtime.prepare(piece, seed)
    if isinstance(runtime, Dividing):
        return runtime.divide(piece, seed)
    return _in_turn(runtime, piece, seed)


class InTurn(Prepared):
    """Blocks that were prepared by themselves, stage by stage; each is a part.

    Where a runtime times every piece by itself there is nothing to be felt of other blocks, and one
    prepared block may stand for all equal ones: it is timed once a visit.
    """

    def __init__(self, stages: Sequence[Sequence[Prepared]]) -> None:
        self.parts = tuple(len(stage) for stage in stages)
        self._blocks = [block for stage in stages for block in stage]
        self.consecutive = all(block.consecutive for block in self._blocks)

    def run(self, stages: int) -> list[float]:
        if self.consecutive:
            return [sum(block.run(1)) for block in self._asked(stages)]
        return self.visit(Visit(1, 1), stages)[0]

    def visit(self, visit: Visit, stages: int | None = None) -> list[list[float]]:
        if self.consecutive:
            return super().visit(visit, stages)
        asked = self._asked(len(self.parts) if stages is None else stages)
        taken = {block: block.visit(visit) for block in dict.fromkeys(asked)}
        rows = zip(*(taken[block] for block in asked), strict=True)
        return [[sum(once) for once in row] for row in rows]

    def close(self) -> None:
        for block in dict.fromkeys(self._blocks):
            block.close()

    def _asked(self, stages: int) -> list[Prepared]:
        return self._blocks[: sum(self.parts[:stages])]


def _in_turn(runtime: Runtime, piece: Piece, seed: int) -> InTurn:
    shapes = dict(piece.inputs)
    alike: dict[BlockKey, Prepared] = {}
    stages: list[list[Prepared]] = []
    with ExitStack() as undo:
        for stage in piece.stages:
            stages.append([])
            for node in stage.nodes:
                key = BlockKey(node.spec, tuple(shapes[name] for name in node.inputs))
                shapes[node.name] = traced(key).output
                block = alike.get(key)
                if block is None:
                    block = runtime.prepare(Piece.block(key.spec, key.shapes, piece.norm), seed)
                    undo.callback(block.close)
                if not block.consecutive:
                    alike[key] = block
                stages[-1].append(block)
        undo.pop_all()
    return InTurn(stages)
