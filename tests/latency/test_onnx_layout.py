"""Blocks in ONNX Runtime's own layout compute what they compute in the plain one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from latency.blocks import BlockKey, every
from latency.graphs import onnx_layout, recording
from latency.runtimes.building import build
from latency.runtimes.runtime import Piece
from nas import plugins
from search_spaces.blocks import BlockSpec, Norm
from search_spaces.densenet import Transition
from search_spaces.layers import AddGrown

Array = npt.NDArray[np.float32]


def in_vectors(plain: Array) -> Array:
    """[n, c, h, w] as the own layout has it: channels filled up, in vectors, innermost."""
    size = onnx_layout.vector()
    n, c, h, w = plain.shape
    whole = -(-c // size) * size
    filled = np.zeros((n, whole, h, w), np.float32)
    filled[:, :c] = plain
    split = filled.reshape(n, whole // size, size, h, w).transpose(0, 1, 3, 4, 2)
    return np.ascontiguousarray(split).reshape(n, whole, h, w)


@dataclass(frozen=True, slots=True)
class Addition(BlockSpec):
    """Two inputs, added: what an optimiser likes to melt into the convolution before it."""

    def module(self) -> AddGrown:
        return AddGrown()


@pytest.mark.parametrize(
    "key",
    [
        BlockKey(Transition(32, 16, pool=True), ((32, 8, 8),)),
        BlockKey(Addition(), ((32, 8, 8), (32, 8, 8))),
    ],
)
def test_what_a_block_does_first_is_not_cut_off(key: BlockKey) -> None:
    assert own_of(key) or onnx_layout.vector() == 1


@pytest.mark.parametrize("name", ["msd", "mnasnet", "shufflenet", "densenet", "inception"])
def test_blocks_answer_the_same_in_both_layouts(name: str) -> None:
    space = plugins.space(name)
    graph = space.blocks(space.sample(np.random.default_rng(4)), (3, 32, 32), 10)
    layouts = [own_of(key) for key in every([graph], lambda key: False)[:25]]
    assert any(layouts) or onnx_layout.vector() == 1


def own_of(key: BlockKey) -> bool:
    built = build(Piece.block(key.spec, key.shapes, Norm()), seed=0)
    recorded, (expected, *_) = recording.record(built.stages[0], built.given)
    found = onnx_layout.optimised(recorded, [True] * len(key.shapes))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        found.content, options, providers=["CPUExecutionProvider"]
    )
    given = {}
    for (name, _), (read, shape) in zip(recorded.inputs, found.inputs, strict=True):
        plain = built.given[name].numpy()
        given[read] = plain if read == name else in_vectors(plain)
        assert given[read].shape == shape
    (answer,) = session.run(None, given)
    wanted = in_vectors(expected.numpy()) if found.own else expected.numpy()
    if found.own:  # what fills up the last vector may be anything
        channels = expected.shape[1]
        mask = in_vectors(np.ones_like(expected.numpy())) > 0
        assert mask.sum() == channels * expected[0, 0].numel()
        answer, wanted = answer[mask], wanted[mask]
    np.testing.assert_allclose(answer, wanted, rtol=1e-3, atol=1e-4)
    return any(
        read != name for (name, _), (read, _) in zip(recorded.inputs, found.inputs, strict=True)
    )
