"""Where the blocks of a network stand in its drawing: rows are scales, columns go with depth.

As figure 2 of MSDNet (Huang et al., ICLR 2018): what is computed at one resolution stands in one
row, what is computed after it further to the right. Classifiers hang below the features they read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nas.dashboard.blocks import Block, described
from search_spaces.blocks import BlockGraph

MOST = 150  # blocks that are drawn one by one
WIDEST = 64  # columns of a drawing of single blocks


@dataclass(frozen=True, slots=True)
class Place:
    """The cell of a block: row and column, and the lane among those that share the cell."""

    row: int
    column: int
    lane: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """A network as it is drawn; ``exits`` name the blocks that give the answers, in order."""

    blocks: tuple[Block, ...]
    places: Mapping[str, Place]
    scales: tuple[tuple[int, int], ...]
    exits: tuple[str, ...]

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return 1 + max(place.column for place in self.places.values())

    def home(self) -> dict[str, str]:
        """Return, by the name of each block, the drawn block that stands for it."""
        return {name: block.id for block in self.blocks for name in block.names}

    def to_json(self) -> dict[str, Any]:
        """Return the drawing as JSON values; sizes are [height, width] in pixels."""
        return {
            "rows": [{"label": f"{height}×{width}"} for height, width in self.scales],
            "columns": self.columns,
            "nodes": [_node(block, self.places[block.id]) for block in self.blocks],
            "edges": [list(edge) for edge in edges(self.blocks)],
            "exits": [
                {
                    "exit": number,
                    "node": name,
                    "row": self.places[name].row,
                    "column": self.places[name].column,
                    "lane": self.places[name].lane,
                }
                for number, name in enumerate(self.exits, start=1)
            ],
        }


def draw(graph: BlockGraph, decisions: Mapping[str, Any]) -> Drawing:
    """Place the blocks of a network that has these ``decisions``.

    Of more than ``MOST`` blocks or ``WIDEST`` columns, runs of alike blocks are folded into one.
    """
    blocks = described(graph, decisions)
    whole = _placed(blocks, graph.exits)
    if len(blocks) > MOST or whole.columns > WIDEST:
        return _placed(folded(blocks), graph.exits)
    return whole


def _placed(blocks: Sequence[Block], exits: tuple[str, ...]) -> Drawing:
    sizes = {block.size for block in blocks if not block.answers}
    scales = tuple(sorted(sizes, key=lambda size: (-size[0] * size[1], size)))
    rows = _rows(blocks, scales)
    columns = _columns(blocks, rows)
    lanes = _lanes(blocks, rows, columns)
    places = {b.id: Place(rows[b.id], columns[b.id], lanes[b.id]) for b in blocks}
    return Drawing(tuple(blocks), places, scales, exits)


def edges(blocks: Sequence[Block]) -> list[tuple[str, str]]:
    """Return which block reads which, (read, reader); the image is none."""
    known = {block.id for block in blocks}
    return [(name, block.id) for block in blocks for name in block.inputs if name in known]


def folded(blocks: Sequence[Block]) -> list[Block]:
    """Fold chains of alike blocks: same scale, operation, stage and decision, nothing between."""
    readers: dict[str, int] = {}
    for block in blocks:
        for name in block.inputs:
            readers[name] = readers.get(name, 0) + 1
    found: dict[str, Block] = {}
    last: dict[str, str] = {}  # the folded block that ends with a block
    for block in blocks:
        before = last.get(block.inputs[0])
        if before is not None and _continues(found[before], block, readers):
            found[before] = _joined(found[before], block)
        else:
            before = block.id
            found[before] = replace(block, inputs=tuple(last.get(n, n) for n in block.inputs))
        last[block.names[-1]] = before
    return list(found.values())


def _continues(run: Block, block: Block, readers: Mapping[str, int]) -> bool:
    alike = (block.kind, block.op, block.kernel, block.stride, block.gated, block.size)
    return (
        block.inputs == (run.names[-1],)
        and readers[run.names[-1]] == 1
        and not block.answers
        and alike == (run.kind, run.op, run.kernel, run.stride, run.gated, run.size)
        and (block.stage, block.decision) == (run.stage, run.decision)
    )


def _joined(run: Block, block: Block) -> Block:
    return replace(
        run,
        names=run.names + block.names,
        shape=block.shape,
        macs=run.macs + block.macs,
        parameters=run.parameters + block.parameters,
    )


# Rows, columns, lanes -----------------------------------------------------------------------------


def _rows(blocks: Sequence[Block], scales: Sequence[tuple[int, int]]) -> dict[str, int]:
    """The scale of each block's output; an answer stands with the coarsest features it reads."""
    rows: dict[str, int] = {}
    for block in blocks:
        if block.answers:
            rows[block.id] = max((rows[n] for n in block.inputs if n in rows), default=0)
        else:
            rows[block.id] = scales.index(block.size)
    return rows


def _columns(blocks: Sequence[Block], rows: Mapping[str, int]) -> dict[str, int]:
    """Length of the longest path from the image, where steps straight up or down are free.

    A step to another scale is straight where the scale it leaves goes on beside it: the first
    layer of MSDNet is one column. Otherwise a chain that is halved would lose its order. Answers
    stand below the features they read.
    """
    goes_on = {
        name
        for block in blocks
        for name in block.inputs
        if not block.answers and rows.get(name) == rows[block.id]
    }
    answers = {block.id for block in blocks if block.answers}
    columns: dict[str, int] = {}
    for block in blocks:
        steps = [
            columns[name] + _step(name, block, rows, goes_on, answers)
            for name in block.inputs
            if name in columns
        ]
        columns[block.id] = max(steps, default=0)
    return columns


def _step(
    name: str, block: Block, rows: Mapping[str, int], goes_on: set[str], answers: set[str]
) -> int:
    if block.answers:
        return 1 if name in answers else 0
    return 0 if rows[name] != rows[block.id] and name in goes_on else 1


def _lanes(
    blocks: Sequence[Block], rows: Mapping[str, int], columns: Mapping[str, int]
) -> dict[str, int]:
    """Lanes keep threads straight: blocks of a row that read one another have one lane.

    Answers stand below all features of their row.
    """
    taken: set[tuple[int, int, int]] = set()
    lanes: dict[str, int] = {}
    for thread in _threads(blocks, rows):
        row = rows[thread[0]]
        span = range(columns[thread[0]], columns[thread[-1]] + 1)
        lane = _free(taken, row, span, 0)
        taken |= {(row, column, lane) for column in span}
        lanes |= dict.fromkeys(thread, lane)
    deepest = dict.fromkeys(rows.values(), 0)
    for name, lane in lanes.items():
        deepest[rows[name]] = max(deepest[rows[name]], lane + 1)
    for block in blocks:
        if block.answers:
            row, column = rows[block.id], columns[block.id]
            lanes[block.id] = _free(taken, row, range(column, column + 1), deepest[row])
            taken.add((row, column, lanes[block.id]))
    return lanes


def _threads(blocks: Sequence[Block], rows: Mapping[str, int]) -> list[list[str]]:
    """Features of one row that read one another, each in one thread."""
    threads: list[list[str]] = []
    ends: dict[str, list[str]] = {}
    for block in blocks:
        if block.answers:
            continue
        before = (n for n in block.inputs if n in ends and rows[n] == rows[block.id])
        thread = ends.pop(next(before, ""), None)
        if thread is None:
            thread = []
            threads.append(thread)
        thread.append(block.id)
        ends[block.id] = thread
    return threads


def _free(taken: set[tuple[int, int, int]], row: int, span: range, lane: int) -> int:
    while any((row, column, lane) in taken for column in span):
        lane += 1
    return lane


def _node(block: Block, place: Place) -> dict[str, Any]:
    return {
        "id": block.id,
        "row": place.row,
        "column": place.column,
        "lane": place.lane,
        "kind": block.kind,
        "op": block.op,
        "kernel": block.kernel and list(block.kernel),
        "stride": block.stride,
        "width": block.shape[0],
        "size": list(block.size),
        "macs": block.macs,
        "parameters": block.parameters,
        "stage": block.stage,
        "decision": block.decision,
        "repeat": len(block.names),
        "text": block.text,
    }
