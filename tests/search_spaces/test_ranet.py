"""The ranet space and the published RANets, against figures of the official code."""

import json
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockGraph
from search_spaces.errors import SpaceError
from search_spaces.network import run_nodes
from search_spaces.operators import costs, operators
from search_spaces.ranet import RANET, ranet

OFFICIAL = json.loads(Path(__file__).with_name("official_ranet.json").read_text())
"""Obtained by running RANet-pytorch (commit be0f25a) on special and on random option sets.
``parameters`` are those that receive a gradient, ``macs`` those of convolutions and linear layers
by hooks, ``official_ops`` by the official counter. Names that end in "average": the official
network fails at its heads, whose 2x2 pooling was replaced by a global average to count the rest."""


SOME = sum(not row["name"].startswith("random") for row in OFFICIAL) + 20
"""All that have a name, which stand first, and 20 random ones; the slow tests take the rest."""


@pytest.mark.parametrize(
    "row",
    OFFICIAL[:SOME] + [pytest.param(row, marks=pytest.mark.slow) for row in OFFICIAL[SOME:]],
    ids=lambda row: row["name"],
)
def test_official_networks_are_exact_points(row: dict[str, Any]) -> None:
    architecture = ranet(**row["options"])
    cost = costs(RANET.blocks(architecture, tuple(row["image"]), row["classes"]))
    assert cost.parameters == row["parameters"]
    assert list(cost.macs) == row["macs"]
    assert list(cost.official_ops) == row["official_ops"]


def test_official_options_may_be_written_as_on_the_official_command_line() -> None:
    written = ranet(scale_list="1-2-3", grFactor="4-2-1", bnFactor="4-2-1")
    assert written == ranet(scale_list=[1, 2, 3], grFactor=(4, 2, 1), bnFactor=[4, 2, 1], nScales=3)
    assert written == RANET.published["ranet-cifar-default"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "mnist"}, "data cannot be 'mnist': choose from cifar10, cifar100, imagenet"),
        ({"data": None}, "data cannot be None"),
        ({"nBlocks": "a"}, "blocks cannot be 'a'"),
        ({"nBlocks": True}, "blocks cannot be True"),
        ({"nBlocks": -1}, "blocks cannot be -1"),
        ({"nBlocks": 0, "block_step": 0}, "blocks cannot be 0 unless a later"),
        ({"block_step": 1.5}, "block_step cannot be 1.5"),
        ({"step": 0}, "step cannot be 0"),
        ({"step": 0, "stepmode": "lg"}, "step_lg cannot be 0"),
        ({"stepmode": "odd"}, "step_mode cannot be odd: choose from even, lg"),
        ({"grFactor": [4, 2, True]}, r"grFactor cannot be \[4, 2, True\]"),
        ({"grFactor": None}, "grFactor cannot be None"),
        ({"bnFactor": "4-0-1"}, "bnFactor cannot be '4-0-1'"),
        ({"scale_list": "0-1-2"}, "scale_list cannot be '0-1-2'"),
        ({"scale_list": "1-2-3-3"}, "must have one number per sub-network"),
        ({"bnFactor": "4-2"}, "must have one number per sub-network"),
        ({"scale_list": "1-2-99"}, "at most 16 scales from 1 to 16"),
        (dict.fromkeys(("scale_list", "grFactor", "bnFactor"), [1] * 17), "at most 16 scales"),
        ({"nScales": 4}, "nScales cannot be 4: grFactor has 3 factors"),
        ({"bnAfter": 1}, "bnAfter cannot be 1"),
        ({"compress_factor": 1.5}, "compress_factor cannot be 1.5"),
        ({"reduction": 0.0}, "reduction cannot be 0.0"),
        ({"nChannels": 0}, "channels cannot be 0"),
        ({"growthRate": 0}, "growth_rate cannot be 0"),
    ],
)
def test_options_that_no_network_has_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message) as raised:
        ranet(**options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"step": 1},  # the official fusion block needs two layers
        {"growthRate": 3},  # no features left for the sub-network before
        {"compress_factor": 1.0},
        {"compress_factor": 0.0},
        {"reduction": 0.001},
        {"scale_list": "1-2", "grFactor": "2-1", "bnFactor": "2-1"},  # exits see 16 pixels
    ],
)
def test_networks_at_which_the_official_code_fails_are_built(options: dict[str, Any]) -> None:
    network = RANET.build(ranet(**options), (3, 32, 32), 10).eval()
    with torch.no_grad():
        answers = network(torch.randn(2, 3, 32, 32))
    assert all(answer.isfinite().all() for answer in answers)


def point(**changes: Any) -> Architecture:
    return RANET.point(RANET.parameters(ranet(step=2)) | changes)


def graph(architecture: Architecture) -> BlockGraph:
    return RANET.blocks(architecture, (3, 32, 32), 10)


def sub_networks_read(whole: BlockGraph, name: str) -> set[int]:
    """Return the sub-networks whose layers a node needs."""
    by_name = {node.name: node for node in whole.nodes}
    needed, todo = set(), [name]
    while todo:
        node = by_name.get(todo.pop())
        if node is not None and node.name not in needed:
            needed.add(node.name)
            todo.extend(node.inputs)
    return {int(name[3]) for name in needed if name.startswith("sub")}


def test_without_fusion_sub_networks_share_base_features_alone() -> None:
    fused, apart = graph(point(fusion="on")), graph(point(fusion="none"))
    assert [sub_networks_read(fused, name) for name in fused.exits[::2]] == [{1}, {1, 2}, {1, 2, 3}]
    assert [sub_networks_read(apart, name) for name in apart.exits[::2]] == [{1}, {2}, {3}]
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    answers = []
    for fusion in ("on", "none"):
        network = RANET.build(point(fusion=fusion), (3, 32, 32), 10, seed=1).eval()
        with torch.no_grad():
            answers.append(network(x))
    assert len(answers[0]) == len(answers[1]) == 6
    assert not torch.allclose(answers[0][-1], answers[1][-1])


@pytest.mark.parametrize("size", [32, 33, 47, 29, 8])
def test_layers_that_go_down_halve_the_image_rounding_up(size: int) -> None:
    whole = RANET.blocks(ranet(step=2), (3, size, size), 10)
    wanted = ceil(ceil(size / 2) / 2)
    found = operators(whole)
    strided = [op for stage in found for op in stage if op.stride == (2, 2) and op.kind == "conv"]
    for op in strided:
        assert op.output_size == tuple(ceil(side / 2) for side in op.input_size)
    network = RANET.build(ranet(step=2), (3, size, size), 10).eval()
    values: dict[str, torch.Tensor] = {"x": torch.randn(1, 3, size, size)}
    with torch.no_grad():
        for stage in network.stages:
            run_nodes(stage.stage.nodes, stage.blocks, values)
    heads = [node.inputs[0] for node in whole.nodes if node.name in whole.exits]
    assert [tuple(values[name].shape[2:]) for name in heads] == [(wanted, wanted)] * 6


def test_a_state_is_resized_with_its_corners_on_the_corners() -> None:
    down = next(node for node in graph(ranet(step=2)).nodes if node.name == "sub3.block4.layer2")
    assert down.spec.own.stride == 2
    block = down.spec.module().eval()
    channels = (down.spec.own.in_channels, down.spec.up.in_channels)
    state, coarser = torch.randn(1, channels[0], 13, 10), torch.randn(1, channels[1], 7, 5)
    joined = block(state, coarser)
    kept = joined[:, : channels[0]]
    assert kept.shape[2:] == (7, 5)
    corners = (slice(None), slice(None), slice(None, None, 6), slice(None, None, 4))
    torch.testing.assert_close(kept[corners], state[:, :, ::12, ::9])
    torch.testing.assert_close(kept[:, :, 3, 2], state[:, :, 6, 4:6].mean(dim=2))


def test_exits_stand_where_they_are_chosen_and_at_the_end() -> None:
    counts = {"all": 6, "end": 3, "middle": 4, "none": 1}
    for setting, exits in counts.items():
        chosen = {f"exits.{number}": setting for number in (1, 2, 3)}
        assert len(graph(point(**chosen)).exits) == exits
    one = graph(point(**{"exits.1": "2", "exits.2": "none", "exits.3": "none"}))
    assert len(one.exits) == 2
    assert point(**{"exits.1": "1-2"})["exits.1"] == "all"
    with pytest.raises(SpaceError, match=r"exits.2 cannot be 3: the sub-network has 2 dense"):
        point(**{"exits.2": "3"})


def test_sub_networks_that_no_exit_reads_are_left_out() -> None:
    chosen = {"fusion": "none", "exits.1": "none", "exits.2": "none"}
    whole = graph(point(**chosen))
    assert sub_networks_read(whole, whole.exits[-1]) == {3}
    assert not any(node.name.startswith(("sub1", "sub2")) for node in whole.nodes)
    assert {"base1", "base2", "base3"} <= {node.name for node in whole.nodes}


def test_bottleneck_factors_must_match_the_sub_networks() -> None:
    with pytest.raises(SpaceError, match="one for each of 3 sub-networks"):
        point(bottleneck_factors="1-2")
    assert point(bottleneck_factors="4-2-1")["bottleneck_factors"] == "growth"


def test_no_fused_features_is_no_fusion() -> None:
    assert point(compress_factor=0.0) == point(fusion="none")
    assert point(scale_list="1", block_step=1) == point(scale_list="1", fusion="none")


def test_repeated_scales_are_sampled() -> None:
    rng = np.random.default_rng(0)
    found = {RANET.sample(rng)["scale_list"] for _ in range(60)}
    assert {"1-2-3", "1-2-2-3", "1-2-3-3"} <= found


def test_a_search_can_start_from_a_network_of_another_scale_list() -> None:
    five = "4-2-2-1-1"
    origin = ranet(scale_list="1-2-2-3-3", grFactor=five, bnFactor=five, step=2)
    assert {"scale_list", "growth_factor.5", "exits.5"} <= set(origin.widened)
    assert RANET.from_json(json.loads(json.dumps(origin.to_json()))) == origin
    near = list(RANET.neighbours(origin))
    assert len({origin.key, *(other.key for other in near)}) == len(near) + 1
    assert {other["scale_list"] for other in near} > {"1-2-3", "1-2-3-3"}
