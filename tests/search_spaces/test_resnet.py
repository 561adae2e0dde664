"""ResNets against torchvision's, the laws of the papers, and what the builder refuses."""

from typing import Any

import pytest
import torch
from torch import nn

from nas.data.torchvision_sets import import_torchvision
from search_spaces.blocks import BlockGraph
from search_spaces.errors import SpaceError
from search_spaces.layers import Subsample
from search_spaces.operators import Operator, costs, operators
from search_spaces.resnet import IMAGENET_DEPTHS, RESNET, residual_unit, resnet, resnet_mc, shortcut
from search_spaces.torchvision_layout import load_torchvision

CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)


def graph(architecture: Any, image: tuple[int, int, int] = CIFAR, classes: int = 10) -> BlockGraph:
    return RESNET.blocks(architecture, image, classes)


def ran(whole: BlockGraph) -> list[Operator]:
    return [operator for stage in operators(whole) for operator in stage]


# torchvision --------------------------------------------------------------------------------------

THEIRS = {
    "resnet-18": "resnet18",
    "resnet-34": "resnet34",
    "resnet-50": "resnet50",
    "resnet-101": "resnet101",
    "resnet-152": "resnet152",
    "resnext-50-32x4d": "resnext50_32x4d",
    "resnext-101-32x8d": "resnext101_32x8d",
    "resnext-101-64x4d": "resnext101_64x4d",
    "wide-resnet-50-2": "wide_resnet50_2",
    "wide-resnet-101-2": "wide_resnet101_2",
}


def randomised(model: nn.Module) -> nn.Module:
    """Give BatchNorms statistics and affine weights that differ, so that none can be swapped."""
    generator = torch.Generator().manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 1.5, generator=generator)
            for tensor in (module.bias.data, module.running_mean):
                tensor.normal_(std=0.1, generator=generator)
    return model.double().eval()


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("resnet-18", (3, 96, 96)),
        pytest.param("resnet-50", (3, 65, 90), marks=pytest.mark.slow),
        ("resnext-50-32x4d", (3, 64, 64)),
        pytest.param("wide-resnet-50-2", (3, 64, 64), marks=pytest.mark.slow),
    ],
)
def test_logits_are_torchvisions(name: str, image: tuple[int, int, int]) -> None:
    theirs = randomised(getattr(import_torchvision().models, THEIRS[name])(num_classes=17))
    ours = RESNET.build(RESNET.published[name], image, 17).double().eval()
    load_torchvision(ours, theirs.state_dict())
    x = torch.randn(2, *image, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    with torch.no_grad():
        (found,), expected = ours(x), theirs(x)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", THEIRS)
def test_parameters_are_torchvisions(name: str) -> None:
    with torch.device("meta"):
        theirs = getattr(import_torchvision().models, THEIRS[name])()
    ours = costs(graph(RESNET.published[name], (3, 64, 64), 1000)).parameters
    assert ours == sum(parameter.numel() for parameter in theirs.parameters())


# The papers' laws ---------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [8, 20, 62, 110])
def test_a_cifar_resnet_has_as_many_layers_as_its_depth_says(depth: int) -> None:
    kinds = [operator.kind for operator in ran(graph(resnet(depth)))]
    assert kinds.count("conv") + kinds.count("linear") == depth


@pytest.mark.parametrize("depth", IMAGENET_DEPTHS)
def test_an_imagenet_resnet_has_as_many_layers_as_its_depth_says(depth: int) -> None:
    found = ran(graph(resnet(depth, shortcut="pad"), IMAGENET))
    assert sum(operator.kind in ("conv", "linear") for operator in found) == depth
    projected = ran(graph(resnet(depth), IMAGENET))
    projections = 4 if IMAGENET_DEPTHS[depth][0] == "bottleneck" else 3
    assert sum(operator.kind in ("conv", "linear") for operator in projected) == depth + projections


def test_padding_shortcuts_have_no_parameters() -> None:
    padded, projected = (costs(graph(resnet(20, shortcut=s))) for s in ("pad", "projection"))
    assert projected.parameters - padded.parameters == (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)


def test_a_unit_whose_body_gives_nothing_passes_its_shortcut_on() -> None:
    chosen = {"unit": "basic", "shortcut": "pad"}
    unit, channels = residual_unit(chosen, 4, 8, 3, 2)
    module = unit.module().eval()
    last = [leaf for leaf in module.modules() if isinstance(leaf, nn.BatchNorm2d)][-1]
    nn.init.zeros_(last.weight)
    x = torch.randn(2, 4, 9, 7)
    given = module(x)
    assert given.shape == (2, channels, 5, 4)
    torch.testing.assert_close(given[:, :4], x[:, :, ::2, ::2].relu())
    assert not given[:, 4:].any()


@pytest.mark.parametrize("kind", ["pad", "projection"])
def test_shortcuts_are_identities_where_shapes_agree(kind: str) -> None:
    assert shortcut(kind, 16, 16, 1) is None
    assert shortcut(kind, 16, 32, 2) is not None


def test_stages_halve_the_resolution_and_double_the_width() -> None:
    heads = [op for op in ran(graph(resnet_mc())) if op.kind == "pool"]
    shapes = [(head.in_channels, *head.input_size) for head in heads]
    assert shapes == [(16, 32, 32)] * 2 + [(32, 16, 16)] * 2 + [(64, 8, 8)] * 3


def test_the_exits_of_resnet_mc_follow_units_4_and_8_of_each_stage() -> None:
    read = [node.inputs[0] for node in graph(resnet_mc()).nodes if node.name.startswith("exit")]
    early = [f"stage{stage}.block{block}" for stage in (1, 2, 3) for block in (4, 8)]
    assert read == [*early, "stage3.block10"]


def test_groups_divide_the_work_of_the_middle_convolution() -> None:
    whole, grouped = (
        [op for op in ran(graph(resnet(50, groups=g, group_width=128 // g))) if op.kernel == (3, 3)]
        for g in (1, 32)
    )
    assert {op.groups for op in grouped if op.kind == "conv"} == {32}
    for one, other in zip(whole, grouped, strict=True):
        assert one.macs == 32 * other.macs


@pytest.mark.parametrize(("groups", "group_width"), [(1, 64), (32, 4), (1, 128), (3, 5), (8, 24)])
def test_stage_1_has_groups_of_the_width_asked_for(groups: int, group_width: int) -> None:
    first = graph(resnet(50, groups=groups, group_width=group_width)).nodes[1].spec.body.specs[1]
    assert (first.groups, first.in_channels) == (groups, groups * group_width)


def test_an_exit_after_the_last_unit_is_the_last_classifier() -> None:
    every = resnet(20, exits="end")
    assert every == resnet(20, exits=("3", "end", "none"))
    assert len(graph(every).exits) == 3
    assert resnet(20, head="conv") == resnet(20)


def test_the_narrowest_network_is_built() -> None:
    whole = graph(resnet(26, width=1, groups=4, group_width=1))
    assert {op.in_channels for op in ran(whole) if op.groups == 4} == {4}


# The builder --------------------------------------------------------------------------------------


def test_a_depth_of_both_tables_is_imagenets_unless_said_otherwise() -> None:
    assert resnet(50)["stem"] == "imagenet"
    assert (resnet(50, stem="cifar")["stem"], resnet(56)["stem"]) == ("cifar", "cifar")
    assert resnet(50, stem="cifar")["stage2.blocks"] == 8
    assert resnet(164, unit="bottleneck")["stage1.blocks"] == 18
    assert resnet(blocks=(2, 2, 2, 2), stem="imagenet") == resnet(18)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either a depth or blocks"),
        ({"depth": 18, "blocks": (2, 2, 2)}, "either a depth or blocks"),
        ({"depth": 57}, "depth cannot be 57: 6n.2 on CIFAR"),
        ({"depth": 2}, "depth cannot be 2"),
        ({"depth": True}, "depth cannot be True"),
        ({"depth": 50.0}, "depth cannot be 50.0"),
        ({"depth": [50]}, r"depth cannot be \[50\]"),
        ({"depth": 62, "unit": "bottleneck"}, "depth cannot be 62: 9n.2"),
        ({"depth": 51, "stem": "imagenet"}, "choose from 10, 18"),
        ({"depth": 50, "stem": "mnist"}, "stem cannot be 'mnist': choose from cifar, imagenet"),
        ({"depth": 50, "unit": "basic"}, "depth 50 has bottleneck units"),
        ({"depth": 56, "unit": "wide"}, "unit cannot be 'wide': choose from basic, bottleneck"),
        ({"depth": 56, "shortcut": "none"}, "shortcut cannot be none"),
        ({"depth": 56, "width": 0}, "width cannot be 0"),
        ({"depth": 56, "width": True}, "width cannot be True"),
        ({"depth": 56, "groups": 2}, "need unit 'bottleneck'"),
        ({"depth": 50, "groups": 0}, "groups cannot be 0"),
        ({"depth": 50, "group_width": 4.0}, "group_width cannot be 4.0"),
        (
            {"depth": 50, "group_width": 10**6},
            "groups x group_width cannot be 1 x 1000000: at most 4096",
        ),
        ({"depth": 50, "head": "mlp"}, "head cannot be mlp"),
        ({"depth": 50, "exits": "first"}, "exits cannot be first"),
        ({"depth": 50, "exits": "5"}, "exits cannot be '5': the block has 3 layers"),
        ({"depth": 50, "exits": ("end", "end")}, r"for each stage \(4\)"),
        ({"depth": 50, "exits": 4}, "exits cannot be 4"),
        ({"blocks": 3}, "blocks cannot be 3"),
        ({"blocks": (2, 2)}, r"blocks cannot be \(2, 2\)"),
        ({"blocks": (2, 2, 0)}, "stage3.blocks cannot be 0"),
        ({"blocks": (2, True, 2)}, "stage2.blocks cannot be True"),
    ],
)
def test_what_no_resnet_has_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message) as raised:
        resnet(**options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("size", "stride"), [(8, 2), (7, 2), (7, 3), (1, 2)])
def test_every_other_pixel_is_the_same_in_training_and_keeps_the_layout_of_gradients(
    size: int, stride: int
) -> None:
    x = torch.randn(2, 3, size, size).contiguous(memory_format=torch.channels_last)
    kept = Subsample(stride)
    assert torch.equal(kept.train()(x), kept.eval()(x))
    before, gradients = 2 * x.requires_grad_(), []
    before.register_hook(gradients.append)
    kept.train()(before).sum().backward()
    assert gradients[0].is_contiguous(memory_format=torch.channels_last)
    assert gradients[0].sum() == kept(x).numel()
