"""The blocks of a network one by one in ONNX Runtime, as they run in a stage in one piece.

There a block reads what the block before has just written, in the layout in which it was written,
and neither copies its input nor allocates its output: that is done once a stage, and would weigh
more than many a block. So each block is a session in the layouts of its place, bound to the tensors
of its neighbours. And a network in one piece stays in near caches, because a block uses the memory
that others have done with: all blocks share one arena, and tensors that nobody will read again are
written over.
"""

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from latency.blocks import BlockKey, layouts, traced
from latency.graphs import onnx_layout, recording
from latency.graphs.onnx_layout import OwnLayout
from latency.runtimes.building import build
from latency.runtimes.memory import Array, Memory, aligned
from latency.runtimes.runtime import Piece, Prepared
from search_spaces.blocks import Node, Stage

ALIKE = 256
"""Blocks that are remembered: copies of a network, and networks alike, optimise them once."""


class PreparedBlocks(Prepared):
    """A network block by block, or a single block on random inputs in its layouts.

    ``keys``: the blocks in the order of the parts. ``values``: where each node writes, [batch, ...]
    in its layout, and the inputs; answers of exits and what is handed on stay there.
    """

    def __init__(self, piece: Piece, seed: int, batch: int) -> None:
        self._piece, self._seed, self._batch = piece, seed, batch
        self._rng = np.random.default_rng(seed)
        self._shapes = dict(piece.inputs)
        kept = {name for stage in piece.stages for name in (stage.exit, *stage.outputs)}
        nodes = [node for stage in piece.stages for node in stage.nodes]
        self._memory = Memory([node.inputs for node in nodes], kept)
        self.values: dict[str, Array] = {}
        self.keys: list[BlockKey] = []
        own = {name for (name, _), is_own in zip(piece.inputs, piece.own, strict=False) if is_own}
        self._stages = []
        for stage in piece.stages:
            blocks = [self._bound(node, own) for node in stage.nodes]
            self._stages.append((blocks, self._handed_on(stage, own)))
            own = set()
        self.parts = tuple(len(blocks) for blocks, _ in self._stages)

    def run(self, stages: int) -> list[float]:
        taken = []
        for blocks, handed_on in self._stages[:stages]:
            for block in blocks:
                start = time.perf_counter_ns()
                block.run()
                taken.append((time.perf_counter_ns() - start) / 1e6)
            for plain, value in handed_on:
                np.copyto(plain, value)
        return taken

    def close(self) -> None:
        self._stages.clear()
        self.values.clear()

    def _bound(self, node: Node, own: set[str]) -> "_Bound":
        """Prepare a block on the values that it reads; add its answer to them."""
        key = BlockKey(
            node.spec,
            tuple(self._shapes[name] for name in node.inputs),
            layouts(node.inputs, own),
        )
        self.keys.append(key)
        piece = Piece.block(key.spec, key.shapes, self._piece.norm, key.own)
        found = in_own_layout(piece, self._seed, self._batch)
        given = []
        for name, (_, shape) in zip(node.inputs, found.inputs, strict=True):
            if name not in self.values:  # an input of the piece
                self.values[name] = self._drawn(shape)
            value = self.values[name]
            # A layout that only this block would have: it reads what nobody has written.
            given.append(value if value.shape == shape else self._drawn(shape))
        block = _Bound(found, given, partial(self._memory.take, node.name))
        self._memory.read(node.inputs)
        self.values[node.name], self._shapes[node.name] = block.answer, traced(key).output
        if found.own:
            own.add(node.name)
        return block

    def _drawn(self, shape: tuple[int, ...]) -> Array:
        value = aligned(shape)
        value[...] = self._rng.standard_normal(shape, dtype=np.float32)
        return value

    def _handed_on(self, stage: Stage, own: set[str]) -> list[tuple[Array, Array]]:
        """What a stage gives is plain: return where it is copied to, and from.

        The numbers are not put into their right places; they need as long.
        """
        copies = []
        for name in dict.fromkeys((stage.exit, *stage.outputs)):
            if name in own:
                value, plain = self.values[name], aligned((self._batch, *self._shapes[name]))
                copies.append((plain, value.reshape(-1)[: plain.size].reshape(plain.shape)))
                self.values[name] = plain
        return copies


class _Bound:
    """A session of one block, with its tensors in place. ``answer``: what it gives."""

    def __init__(
        self, found: OwnLayout, given: list[Array], take: Callable[[tuple[int, ...]], Array]
    ) -> None:
        ready = onnx_layout.session(found.content, onnx_layout.block_session_options())
        names = [name for name, _ in found.inputs]
        (answer,) = ready.run(None, dict(zip(names, given, strict=True)))
        self.answer, self._given = take(answer.shape), given  # nobody else may hold them
        self._binding = ready.io_binding()
        for name, array in zip(names, given, strict=True):
            self._binding.bind_input(name, *_place(array))
        self._binding.bind_output(ready.get_outputs()[0].name, *_place(self.answer))
        self._session = ready

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)


@lru_cache(maxsize=ALIKE)
def in_own_layout(piece: Piece, seed: int, batch: int) -> OwnLayout:
    """Return a block that is optimised for the layouts of its inputs."""
    built = build(piece, seed, batch)
    recorded, _ = recording.record(built.stages[0], built.given)
    own = piece.own or (False,) * len(piece.inputs)
    return onnx_layout.optimised(recorded, own, batch)


def _place(array: Array) -> tuple[Any, ...]:
    """Return device, number, type, shape and address of a tensor, as a binding asks for them."""
    return "cpu", 0, np.float32, array.shape, array.ctypes.data
