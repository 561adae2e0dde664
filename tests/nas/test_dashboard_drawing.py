"""How networks are drawn, over every family."""

import json
from functools import cache

import numpy as np
import pytest

from nas import plugins
from nas.dashboard import drawing
from nas.dashboard.blocks import described
from nas.dashboard.drawing import Drawing, draw, folded
from nas.dashboard.operators import shared, table
from search_spaces.blocks import BlockGraph
from search_spaces.operators import costs
from search_spaces.operators import operators as operators_of

IMAGE, CLASSES = (3, 32, 32), 10

_PUBLISHED = [
    *(("msd", name) for name in ("msdnet-cifar-batch-4", "msdnet-cifar-plain")),
    ("ranet", "ranet-cifar-c-3"),
    ("densenet", "densenet-264"),
    ("resnet", "resnet-mc"),
    ("ensemble", "ensemble-resnet-imagenet"),
    ("inception", "inception-v3-two-aux"),
    ("shufflenet", "shufflenet-g8-1.5x"),
    ("mnasnet", "mobilenet-v2-1.4"),
]
CASES = [(name, str(seed)) for name in plugins.SPACES for seed in range(1)] + _PUBLISHED

networks = pytest.mark.parametrize(("space", "which"), CASES)


@cache
def drawn(space: str, which: str) -> tuple[BlockGraph, Drawing]:
    family = plugins.space(space)
    rng = np.random.default_rng(int(which) if which.isdigit() else 0)
    found = family.sample(rng) if which.isdigit() else family.published[which]
    graph = family.blocks(found, IMAGE, CLASSES)
    return graph, draw(graph, found.decisions())


@networks
def test_the_blocks_add_up_to_the_network(space: str, which: str) -> None:
    graph, found = drawn(space, which)
    whole = costs(graph)
    assert sum(block.macs for block in found.blocks) == whole.lazy_macs[-1]
    assert sum(block.parameters for block in found.blocks) == whole.parameters
    for number, macs in enumerate(whole.lazy_macs, start=1):
        assert sum(block.macs for block in found.blocks if block.stage <= number) == macs


@networks
def test_depth_goes_to_the_right_and_every_block_has_its_own_place(space: str, which: str) -> None:
    _, found = drawn(space, which)
    for read, reader in drawing.edges(found.blocks):
        assert found.places[read].column <= found.places[reader].column
        assert found.places[read] != found.places[reader]
    assert len(set(found.places.values())) == len(found.blocks)
    areas = [height * width for height, width in found.scales]
    assert areas == sorted(areas, reverse=True)
    for block in found.blocks:
        if not block.answers:
            assert found.scales[found.places[block.id].row] == block.size


@networks
def test_every_block_but_the_first_ones_reads_another(space: str, which: str) -> None:
    graph, found = drawn(space, which)
    readers = {reader for _, reader in drawing.edges(found.blocks)}
    firsts = {node.name for node in graph.nodes if node.inputs == ("x",)}
    assert {block.id for block in found.blocks} - readers <= firsts


@networks
def test_every_exit_stands_once_and_all_is_json(space: str, which: str) -> None:
    graph, found = drawn(space, which)
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [each["node"] for each in data["exits"]] == list(graph.exits)
    ids = [node["id"] for node in data["nodes"]]
    assert len(set(ids)) == len(ids) and set(graph.exits) <= set(ids)
    assert {end for edge in data["edges"] for end in edge} <= set(ids)
    assert all(node["column"] < data["columns"] for node in data["nodes"])
    assert all(node["row"] < len(data["rows"]) for node in data["nodes"])


@networks
def test_exits_hang_below_the_features_of_their_row(space: str, which: str) -> None:
    _, found = drawn(space, which)
    for block in found.blocks:
        if block.answers:
            place = found.places[block.id]
            above = [
                found.places[other.id].lane
                for other in found.blocks
                if not other.answers and found.places[other.id].row == place.row
            ]
            assert place.lane > max(above)


@networks
def test_operators_share_the_latency(space: str, which: str) -> None:
    graph, found = drawn(space, which)
    exit_ms = [1.5 * k for k in range(1, len(graph.exits) + 1)]
    for known in (None, exit_ms):
        rows = shared(graph, known)
        assert [each.operator for each in rows] == [o for s in operators_of(graph) for o in s]
        assert sum(each.share for each in rows) == pytest.approx(1)
    for number in range(1, len(graph.exits) + 1):
        spent = sum(each.latency_ms or 0.0 for each in rows if each.stage == number)
        assert spent == pytest.approx(1.5)
    stages = {block.id: block.stage for block in found.blocks}
    for row in table(graph, exit_ms, found.home()):
        assert row["stage"] == stages[row["node"]]


def test_an_exit_that_comes_out_faster_than_the_one_before_adds_nothing() -> None:
    graph, _ = drawn("msd", "msdnet-cifar-batch-4")
    rows = shared(graph, [2.0, 1.9, 3.0, 4.0])
    assert all(each.share >= 0 for each in rows)
    assert sum(each.share for each in rows) == pytest.approx(1)
    assert {each.latency_ms for each in rows if each.stage == 2} == {0.0}


def test_msdnet_is_drawn_as_in_its_figure() -> None:
    _, found = drawn("msd", "msdnet-cifar-batch-4")
    columns = {
        f"{name}.scale{scale}": column
        for column, name in enumerate(("stem", "layer1", "layer2", "layer3", "layer4"))
        for scale in (1, 2, 3)
    }
    for name, column in columns.items():
        assert (found.places[name].column, found.places[name].lane) == (column, 0)
        assert found.places[name].row == int(name[-1]) - 1
    assert [found.places[name].row for name in found.exits] == [2, 2, 2, 2]
    assert [block.decision for block in found.blocks if block.kind == "head"] == [
        "block1",
        "block2",
        "block3",
        "block4",
    ]


def test_decisions_of_layers_are_found_where_they_are_taken_layer_by_layer() -> None:
    _, found = drawn("msd-layer", "0")
    origins = {block.decision for block in found.blocks if block.kind == "block"}
    assert {"block1.layer1", "block1.layer2"} <= origins


def test_a_long_network_is_folded_and_a_short_one_is_not() -> None:
    _, short = drawn("resnet", "resnet-mc")
    assert all(len(block.names) == 1 for block in short.blocks)
    graph, long = drawn("densenet", "densenet-264")
    assert [len(block.names) for block in long.blocks if len(block.names) > 1] == [6, 12, 64, 48]
    assert sorted(long.home()) == sorted(node.name for node in graph.nodes)
    layers = next(block for block in long.blocks if len(block.names) == 64)
    assert "64 times dense layer 3×3" in layers.text


@pytest.mark.parametrize("space", plugins.SPACES)
def test_folding_keeps_what_the_blocks_cost(space: str) -> None:
    graph, _ = drawn(space, "0")
    blocks = described(graph, {})
    small = folded(blocks)
    assert sum(b.macs for b in small) == sum(b.macs for b in blocks)
    assert [n for b in small for n in b.names] and set(graph.exits) <= {b.id for b in small}
    assert {n for b in small for n in b.names} == {b.id for b in blocks}


def test_a_side_head_costs_no_inference() -> None:
    _, found = drawn("inception", "inception-v3-two-aux")
    side = [block for block in found.blocks if block.kind == "auxiliary"]
    assert len(side) == 2
    assert all(block.macs == 0 and block.parameters > 0 for block in side)
