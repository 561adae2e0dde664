"""Networks that are run block by block."""

import numpy as np
import pytest
import torch

from latency.bench import LocalBench
from latency.blocks import every, walk
from latency.errors import LatencyError
from latency.graphs import onnx_layout
from latency.protocol import Visit
from latency.runtimes import preparing
from latency.runtimes.building import build
from latency.runtimes.onnx_blocks import PreparedBlocks
from latency.runtimes.onnx_runtime import OnnxRuntime
from latency.runtimes.runtime import Piece, Prepared
from nas import plugins
from search_spaces.blocks import BlockGraph
from tests.latency.faked import FakeRuntime


class Alone(FakeRuntime):
    """Times each piece by itself."""

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        ready = super().prepare(piece, seed)
        ready.consecutive = False
        return ready


@pytest.fixture
def network() -> BlockGraph:
    """A network with early exits, some of whose blocks are alike."""
    space, rng = plugins.space("mnasnet"), np.random.default_rng(0)
    drawn = (space.blocks(space.sample(rng), (3, 32, 32), 10) for _ in range(100))
    return next(each for each in drawn if _alike(each) and len(each.exits) > 1)


def _alike(graph: BlockGraph) -> bool:
    return len(every([graph], lambda key: False)) < len(graph.nodes)


@pytest.mark.parametrize("alone", [False, True])
def test_blocks_of_a_runtime_run_in_turn(network: BlockGraph, alone: bool) -> None:
    runtime = Alone() if alone else FakeRuntime()
    ready = preparing.prepare(runtime, Piece.network(network, divided=True), 0)
    assert ready.parts == tuple(len(stage.nodes) for stage in network.stages())
    assert ready.consecutive is not alone
    count = len(every([network], lambda key: False)) if alone else sum(ready.parts)
    assert len(runtime.prepared) == count  # alike ones have weights of their own where that is felt
    assert len(ready.run(1)) == ready.parts[0]
    runtime.time.passes.clear()
    assert len(ready.run(len(ready.parts))) == sum(ready.parts)
    assert len(set(runtime.time.passes)) == count
    assert len(runtime.time.passes) == count * (2 if alone else 1)  # one of the two warms up
    (taken,) = ready.visit(Visit(0, 1))
    assert len(taken) == sum(ready.parts)
    ready.close()
    assert [block.closed for block in runtime.prepared] == [1] * count


def test_blocks_are_closed_where_one_cannot_be_prepared(network: BlockGraph) -> None:
    runtime = FakeRuntime(fails=3)
    with pytest.raises(LatencyError, match="cannot run this"):
        preparing.prepare(runtime, Piece.network(network, divided=True), 0)
    assert [block.closed for block in runtime.prepared] == [1, 1, 1]


def test_a_network_is_closed_whose_exits_cannot_be_mixed(network: BlockGraph) -> None:
    runtime = Alone()
    with pytest.raises(LatencyError, match="cannot be mixed"):
        preparing.prepare(runtime, Piece.network(network, order=(1, 2)), 0)
    assert [work.closed for work in runtime.prepared] == [1]


@pytest.mark.parametrize("name", ["msd", "mnasnet", "densenet", "shufflenet"])
def test_onnx_blocks_compute_what_the_blocks_of_the_network_do(name: str) -> None:
    space = plugins.space(name)
    graph = space.blocks(space.sample(np.random.default_rng(8)), (3, 32, 32), 10)
    piece = Piece.network(graph, divided=True)
    ready = PreparedBlocks(piece, seed=1, batch=2)
    assert len(ready.run(len(ready.parts))) == sum(ready.parts)
    stage = piece.stages[0]
    values = {"x": torch.from_numpy(ready.values["x"])}
    for node in stage.nodes:
        given = [values[each] for each in node.inputs]
        shapes = tuple(tuple(each.shape[1:]) for each in given)
        module = build(Piece.block(node.spec, shapes, graph.norm), 1, 2).stages[0].blocks[0]
        with torch.inference_mode():
            values[node.name] = module(*given)
    expected = values[stage.exit].numpy()
    assert np.abs(ready.values[stage.exit] - expected).max() < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["msd", "mnasnet", "ranet", "inception"])
def test_onnx_blocks_are_those_of_the_table(name: str) -> None:
    space = plugins.space(name)
    graph = space.blocks(space.sample(np.random.default_rng(5)), (3, 32, 32), 10)
    own = LocalBench(OnnxRuntime()).blocks([graph])
    ready = PreparedBlocks(Piece.network(graph, divided=True), seed=1, batch=1)
    assert ready.keys == [key for stage in walk(graph, own.__getitem__) for _, key in stage]
    assert any(key.own for key in ready.keys) or onnx_layout.vector() == 1
