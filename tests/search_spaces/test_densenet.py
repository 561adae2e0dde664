"""The densenet space: torchvision's networks, the rules of the paper, and what is refused."""

from typing import Any

import pytest
import torch

from nas.data.torchvision_sets import import_torchvision
from search_spaces.blocks import BlockGraph
from search_spaces.densenet import DENSENET, densenet
from search_spaces.errors import SpaceError
from search_spaces.exits import HEADS
from search_spaces.operators import costs, operators
from search_spaces.torchvision_layout import load_torchvision

IMAGENET, CIFAR = (3, 224, 224), (3, 32, 32)


def graph(architecture: Any, image: tuple[int, int, int] = CIFAR, classes: int = 10) -> BlockGraph:
    return DENSENET.blocks(architecture, image, classes)


@pytest.mark.parametrize(
    "name", ["121", *(pytest.param(n, marks=pytest.mark.slow) for n in ("161", "169", "201"))]
)
def test_torchvisions_weights_give_torchvisions_answers(name: str) -> None:
    torch.manual_seed(0)
    theirs = import_torchvision().models.get_model(f"densenet{name}").eval()
    ours = DENSENET.build(DENSENET.published[f"densenet-{name}"], IMAGENET, 1000).eval()
    for module in theirs.modules():  # statistics that make every layer count
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    load_torchvision(ours, theirs.state_dict())
    x = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        expected = theirs(x)
        (found,) = ours(x)
    assert expected.std() > 1e-2
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_weights_of_another_network_are_refused() -> None:
    names = import_torchvision().models.densenet121(num_classes=10).state_dict()
    ours = DENSENET.build(densenet((6, 12, 24, 15)), CIFAR, 10)
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    with pytest.raises(
        SpaceError, match=r"^weights do not fit: \S+ \(128, 992, 1, 1\) cannot be \S+ \(10, 992\)"
    ) as raised:
        load_torchvision(ours, names)
    assert "\n" not in str(raised.value)
    with pytest.raises(SpaceError, match="has no counterpart"):
        load_torchvision(ours, {})
    assert all(torch.equal(before[name], tensor) for name, tensor in ours.state_dict().items())


def test_a_layer_appends_its_growth_and_a_transition_compresses() -> None:
    """CVPR 2017, section 3: k0 + k (l - 1) channels enter layer l, floor(theta m) leave."""
    nodes = {node.name: node.spec for node in graph(densenet((3, 2), 5, 7, 4, 0.5, "cifar")).nodes}
    assert [nodes[f"block1.layer{n}"].in_channels for n in (1, 2, 3)] == [7, 12, 17]
    assert nodes["block1.layer2"].hidden == 20
    assert (nodes["transition1"].in_channels, nodes["transition1"].out_channels) == (22, 11)
    assert nodes["block2.layer1"].in_channels == 11


def test_parameters_follow_the_papers_counting() -> None:
    """DenseNet (L = 40, k = 12) has 1.0M parameters, DenseNet-BC (L = 190, k = 40) 25.6M."""
    count = {
        name: costs(graph(DENSENET.published[name])).parameters / 1e6
        for name in ("densenet-cifar-40-12", "densenet-bc-cifar-190-40", "densenet-bc-cifar-100-12")
    }
    assert [round(value, 1) for value in count.values()] == [1.0, 25.6, 0.8]


def test_depths_are_those_in_the_names() -> None:
    for name, architecture in DENSENET.published.items():
        image = CIFAR if "cifar" in name else IMAGENET
        staged = operators(graph(architecture, image))
        weighted = sum(op.kind in ("conv", "linear") for stage in staged for op in stage)
        early = len(graph(architecture).exits) - 1
        parts = name.replace("imagenet", "").split("-")
        if "star" not in name and "mc" not in name:
            depth = next(int(part) for part in parts if part.isdigit())
            assert weighted - early == depth + (depth == 264)  # the paper's 264 has 265


def test_growth_doubles_after_each_transition_of_densenet_star() -> None:
    architecture = DENSENET.published["densenet-star-cifar-8-8"]
    assert [architecture[f"block{b}.growth"] for b in (1, 2, 3)] == [8, 16, 32]


def test_exits_of_densenet_mc_stand_after_layers_6_and_12_of_each_block() -> None:
    found = graph(DENSENET.published["densenet-mc-cifar-8"])
    reads = [node.inputs[0] for node in found.nodes if node.name in found.exits]
    early = [f"block{block}.layer{layer}" for block in (1, 2, 3) for layer in (6, 12)]
    assert reads == [*early, "block3.layer16"]
    assert all(node.spec.norm for node in found.nodes if node.name in found.exits)


def test_an_exit_at_the_very_end_is_the_networks_own() -> None:
    both = densenet((2, 2), stem="cifar", exits=("end", "end"), head=HEADS[1])
    assert both == densenet((2, 2), stem="cifar", exits=("end", "none"), head=HEADS[1])
    alone = densenet((2, 2), stem="cifar", exits=("none", "2"), head=HEADS[1])
    assert alone == densenet((2, 2), stem="cifar")
    assert len(graph(both).exits) == 2


def test_a_map_of_one_pixel_is_not_pooled() -> None:
    network = DENSENET.build(densenet((1, 1, 1, 1), 4, 8), (1, 8, 8), 3).eval()
    with torch.no_grad():
        assert network(torch.randn(2, 1, 8, 8))[0].shape == (2, 3)


def test_more_blocks_than_are_searched_can_be_named() -> None:
    deep = densenet((1,) * 6, 4, 8, stem="cifar", exits=("end",) * 6)
    assert DENSENET.from_json(deep.to_json()) == deep
    assert len(graph(deep).exits) == 6
    assert len(list(DENSENET.neighbours(deep))) > len(deep.decisions())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": ()}, r"blocks cannot be \(\)"),
        ({"blocks": "6-12"}, "blocks cannot be '6-12'"),
        ({"blocks": 6}, "blocks cannot be 6"),
        ({"blocks": (6, 0)}, "block2.layers cannot be 0"),
        ({"blocks": (6, True)}, "block2.layers cannot be True"),
        ({"blocks": (1,) * 17}, "whole numbers, one for each block, 16 at most"),
        ({"growth": (8, 16)}, r"growth cannot be \(8, 16\): one for all or for each block \(4\)"),
        ({"growth": 0}, "block1.growth cannot be 0"),
        ({"growth": True}, "block1.growth cannot be True"),
        ({"growth": 1.5}, "growth cannot be 1.5"),
        ({"first": 0}, "channels cannot be 0"),
        ({"bottleneck": 0}, "bottleneck cannot be 0"),
        ({"bottleneck": True}, "bottleneck cannot be True"),
        ({"compression": 0.0}, "compression cannot be 0.0"),
        ({"compression": 1.5}, "compression cannot be 1.5"),
        ({"compression": "half"}, "compression cannot be 'half'"),
        ({"stem": "mnist"}, "stem cannot be mnist: choose from cifar, imagenet"),
        ({"exits": ("end",)}, r"exits cannot be \('end',\): one for all or for each block \(4\)"),
        ({"exits": ("7", "none", "none", "none")}, "exits cannot be '7': the block has 6 layers"),
        ({"exits": ("last",) * 4}, "block1.exits cannot be last"),
        ({"head": "mlp"}, "head cannot be mlp"),
    ],
)
def test_options_that_no_network_has_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message) as raised:
        densenet(**options)
    assert "\n" not in str(raised.value)
