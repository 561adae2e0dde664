"""The msd space and the published MSDNets, against figures of the official code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockGraph
from search_spaces.errors import SpaceError
from search_spaces.msd import MSD, MSD_LAYER, msdnet
from search_spaces.operators import costs, operators

OFFICIAL = json.loads(Path(__file__).with_name("official_msdnet.json").read_text())
"""Obtained by running MSDNet-PyTorch (commit f654595): the published settings and random option
sets. ``parameters`` are those that receive a gradient; ``lazy_macs`` were counted by fvcore on the
network cut after each exit, ``official_ops`` by the official counter."""


SOME = sum(not row["name"].startswith("random") for row in OFFICIAL) + 20
"""All that have a name, which stand first, and 20 random ones; the slow tests take the rest."""


@pytest.mark.parametrize(
    "row",
    OFFICIAL[:SOME] + [pytest.param(row, marks=pytest.mark.slow) for row in OFFICIAL[SOME:]],
    ids=lambda row: row["name"],
)
def test_official_networks_are_exact_points(row: dict[str, Any]) -> None:
    architecture = msdnet(**row["options"])
    cost = costs(MSD.blocks(architecture, tuple(row["image"]), row["classes"]))
    assert cost.parameters == row["parameters"]
    assert list(cost.official_ops) == row["official_ops"]
    if "macs" in row:
        assert list(cost.macs) == row["macs"]
    if "lazy_macs" in row:
        assert list(cost.lazy_macs) == row["lazy_macs"]


def test_official_options_may_be_written_as_on_the_official_command_line() -> None:
    written = msdnet(nBlocks=3, grFactor="1-2-4", bnFactor="1-2-4")
    assert written == msdnet(nBlocks=3, grFactor=[1, 2, 4], bnFactor=(1, 2, 4), nScales=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "mnist"}, "data cannot be 'mnist'"),
        ({"data": "cifarX"}, "data cannot be 'cifarX': choose from cifar10, cifar100, imagenet"),
        ({"nBlocks": "a"}, "nBlocks cannot be 'a'"),
        ({"nBlocks": 0}, "nBlocks cannot be 0"),
        ({"nBlocks": True}, "nBlocks cannot be True"),
        ({"nBlocks": 10**9}, "a whole number from 1 to 200"),
        ({"base": "a"}, "layers cannot be 'a'"),
        ({"nBlocks": 3, "step": "a", "stepmode": "lin_grow"}, "step cannot be 'a'"),
        ({"grFactor": [1.5, 2, 4]}, r"grFactor cannot be \[1.5, 2, 4\]"),
        ({"bnFactor": "1-0-4"}, "bnFactor cannot be '1-0-4'"),
        ({"grFactor": []}, r"grFactor cannot be \[\]"),
        ({"stepmode": "odd"}, "stepmode cannot be 'odd'"),
        ({"prune": "mid"}, "prune cannot be 'mid'"),
        ({"grFactor": "1-2"}, "one factor per scale"),
        ({"grFactor": "a-b-c"}, "grFactor cannot be 'a-b-c'"),
        ({"reduction": 1.5}, "compression cannot be 1.5"),
        ({"nChannels": 0}, "channels cannot be 0"),
    ],
)
def test_options_that_no_network_has_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        msdnet(**options)


def graph(architecture: Architecture) -> BlockGraph:
    return MSD.blocks(architecture, (3, 32, 32), 10)


def test_ablated_forms_lack_what_their_names_say() -> None:
    forms = {
        name: graph(MSD.published[f"msdnet-cifar-{name}"])
        for name in ("anytime-7", "no-dense", "no-scales", "no-exits", "plain")
    }
    assert [len(forms[name].exits) for name in forms] == [7, 7, 7, 1, 1]
    joined = {name: {op.kind for stage in operators(forms[name]) for op in stage} for name in forms}
    assert "concat" in joined["anytime-7"]
    assert "concat" not in joined["plain"]
    for name in ("no-scales", "plain"):
        assert all(len(node.inputs) == 1 for node in forms[name].nodes)


def test_lazy_stages_compute_nothing_before_it_is_needed() -> None:
    whole = graph(msdnet(nBlocks=3, base=2, step=2, nChannels=16))
    computed: set[str] = set()
    for stage in whole.stages():
        names = {node.name for node in stage.nodes}
        needed, todo = set(), [stage.exit]
        by_name = {node.name: node for node in whole.nodes}
        while todo:
            name = todo.pop()
            if name in by_name and name not in needed:
                needed.add(name)
                todo.extend(by_name[name].inputs)
        assert names == needed - computed
        computed |= names


def test_units_that_no_exit_reads_are_counted_as_official_and_never_built() -> None:
    unread = graph(msdnet(nBlocks=1, base=2, step=1))
    built = {node.name for stage in unread.stages() for node in stage.nodes}
    assert "layer2.scale2" not in built
    assert costs(unread).macs[-1] > costs(unread).lazy_macs[-1]


def test_a_setting_beyond_the_options_must_be_named_as_widened() -> None:
    architecture = msdnet(nBlocks=3, nChannels=20)
    data = architecture.to_json()
    assert "channels" in data["widened"]
    del data["widened"]
    with pytest.raises(SpaceError, match="channels cannot be 20: choose from 16, 8"):
        MSD.from_json(data)


def test_bottleneck_factors_must_match_the_scales() -> None:
    data = msdnet(nBlocks=3).to_json()
    data["decisions"]["bottleneck_factors"] = "1-2"
    data["widened"].append("bottleneck_factors")
    with pytest.raises(SpaceError, match="one for each of 3 scales"):
        MSD.from_json(data)


def test_decisions_without_effect_stand_at_their_first_option() -> None:
    chosen = MSD.parameters(MSD.sample(np.random.default_rng(0)))
    chosen |= {"scales": 1, "scheme": "none", "compression": 0.75, "bottleneck_factors": "4"}
    chosen |= {f"block{block}.op": "conv" for block in range(1, 6)}
    architecture = MSD.architecture(chosen)
    assert architecture["scheme"] == "max"
    assert architecture["compression"] == 0.5
    assert architecture["bottleneck_factors"] == "growth"


def test_layers_of_a_block_differ_only_where_they_share_nothing() -> None:
    rng = np.random.default_rng(4)
    ops = [
        {a[f"block1.layer{j}.op"] for j in range(1, a["block1.layers"] + 1)}
        for a in (MSD_LAYER.sample(rng) for _ in range(50))
    ]
    assert max(map(len, ops)) > 1


@pytest.mark.parametrize("name", ["msdnet-cifar-anytime-7", "msdnet-imagenet-4"])
def test_a_search_can_start_from_a_published_network(name: str) -> None:
    origin = MSD.published[name]
    assert {"block1.layers"} <= set(origin.widened)
    near = list(MSD.neighbours(origin))
    assert len({origin.key, *(a.key for a in near)}) == len(near) + 1
    assert sum(a.widened == origin.widened for a in near) > len(origin.decisions())
    rng = np.random.default_rng(0)
    canonical = {"scheme", "compression", "bottleneck_factors"}
    for mutant in [*near, *(MSD.mutate(origin, rng) for _ in range(30))]:
        assert mutant.key != origin.key
        assert MSD.from_json(json.loads(json.dumps(mutant.to_json()))) == mutant
        assert set(mutant.widened) <= set(origin.widened)
        both = {*origin} & {*mutant}
        assert len({n for n in both if mutant[n] != origin[n]} - canonical) <= 1
    assert {a["blocks"] for a in near} > {2, 3, 4}
    other = MSD.sample(rng)
    children = [MSD.crossover(origin, other, rng) for _ in range(20)]
    for child in children:
        assert MSD.from_json(json.loads(json.dumps(child.to_json()))) == child
        for decision in child:
            assert (
                child[decision]
                in {origin.decisions().get(decision), other.decisions().get(decision)}
                or decision in canonical
            )
    assert len({child.key for child in children}) > 10
    assert any(child.widened for child in children)


def test_factors_that_do_not_fit_a_new_number_of_scales_are_not_moved_to() -> None:
    origin = msdnet(nBlocks=3, bnFactor="3-2-5")
    assert "bottleneck_factors" in origin.widened
    assert {a["scales"] for a in MSD.neighbours(origin)} == {3}
    rng = np.random.default_rng(0)
    other = next(a for a in [MSD.sample(rng) for _ in range(50)] if a["scales"] == 1)
    for _ in range(20):
        MSD.mutate(origin, rng)
        child = MSD.crossover(origin, other, rng)
        assert child["bottleneck_factors"] != "3-2-5" or child["scales"] == 3


def test_a_value_beyond_the_options_cannot_be_encoded() -> None:
    with pytest.raises(
        SpaceError, match=r"^msd: \S+ \d+ lies beyond the searched options"
    ) as raised:
        MSD.encode(MSD.published["msdnet-cifar-anytime-7"])
    assert "\n" not in str(raised.value)
