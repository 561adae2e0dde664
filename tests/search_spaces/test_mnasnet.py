"""MnasNet's space, and its networks beside torchvision's and the authors' code."""

from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nas.data.torchvision_sets import import_torchvision
from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockGraph
from search_spaces.conv_op import ConvOp
from search_spaces.errors import SpaceError
from search_spaces.layers import SqueezeExcite
from search_spaces.mnasnet import MNASNET, SCOPES, Layer, mnasnet, mobilenet_v2, scaled
from search_spaces.operators import Operator, costs, operators
from search_spaces.torchvision_layout import load_torchvision

IMAGENET, CLASSES = (3, 224, 224), 1000
models = import_torchvision().models


def graph(architecture: Architecture, image: tuple[int, int, int] = IMAGENET) -> BlockGraph:
    return MNASNET.blocks(architecture, image, CLASSES)


def run(architecture: Architecture, image: tuple[int, int, int] = IMAGENET) -> list[Operator]:
    return [operator for stage in operators(graph(architecture, image)) for operator in stage]


# The space ---------------------------------------------------------------------------------------


def test_a_block_has_the_432_settings_of_the_paper() -> None:
    for scope in SCOPES:
        names = ("op", "kernel", "se", "skip", "filters", "layers")
        own = [d for d in MNASNET.decisions if d.name in {scope + name for name in names}]
        assert [len(d.options) for d in own] == [4, 2, 2, 3, 3, 3]
        assert prod(len(d.options) for d in own) == 432
    exits, heads, strides = 4**7, 5, 2
    assert MNASNET.size() == 432**7 * exits * heads * strides


def test_the_first_options_are_mobilenet_v2_with_mnasnets_constants() -> None:
    first = MNASNET.architecture({d.name: d.options[0] for d in MNASNET.decisions})
    ours, theirs = costs(graph(first)), costs(graph(mobilenet_v2()))
    assert (ours.parameters, ours.macs) == (theirs.parameters, theirs.macs)
    assert not first.widened


def changed(**changes: Any) -> Architecture:
    whole = {d.name: d.options[0] for d in MNASNET.decisions}
    return MNASNET.architecture(whole | {k.replace("_", ".", 1): v for k, v in changes.items()})


def test_a_block_keeps_at_least_one_layer() -> None:
    for block in ("block1", "block7"):
        fewer = changed(**{f"{block}_layers": -1})
        assert fewer[f"{block}.layers"] == 0
        assert fewer == changed()
    assert changed(block2_layers=-1).key != changed().key


def test_a_skip_that_no_layer_can_have_is_the_first_one() -> None:
    assert changed(block1_skip="pool") == changed(block7_skip="none") == changed()
    assert changed(block7_skip="none", block7_layers=1)["block7.skip"] == "none"
    keys = {changed(block3_skip=skip).key for skip in ("identity", "pool", "none")}
    assert len(keys) == 3


def test_an_exit_at_the_networks_end_is_the_last_classifier() -> None:
    assert changed(block7_exits="end", head="conv") == changed()
    early = changed(block4_exits="both", block7_exits="end", head="conv32")
    assert len(graph(early).exits) == 3
    with pytest.raises(SpaceError, match="the block has 1 layers"):
        MNASNET.point(changed().decisions() | {"block1.exits": "2"})


# One layer ---------------------------------------------------------------------------------------


def layer(op: str, se: float, skip: str = "none", shape: tuple[int, int, int] = (16, 24, 1)) -> Any:
    choice = {"op": op, "kernel": 5, "se": se, "skip": skip}
    return Layer(*shape).spec(choice, "relu", "symmetric")


@pytest.mark.parametrize(
    ("op", "kinds"),
    [
        ("conv", "conv relu se"),
        ("sepconv", "depthwise relu se conv"),
        ("mbconv3", "conv relu depthwise relu se conv"),
        ("mbconv6", "conv relu depthwise relu se conv"),
    ],
)
def test_the_gate_follows_the_depthwise_convolution(op: str, kinds: str) -> None:
    found = []
    for module in layer(op, 0.25).module():
        if isinstance(module, nn.Conv2d):
            found.append("depthwise" if module.groups > 1 else "conv")
        elif isinstance(module, SqueezeExcite):
            assert module.gates[1].out_channels == 4  # a quarter of the 16 that come in
            found.append("se")
        elif isinstance(module, nn.ReLU):
            found.append("relu")
    assert " ".join(found) == kinds


def test_an_activated_separable_convolution_is_gated_after_its_last_activation() -> None:
    modules = [*ConvOp("sepconv", 8, 12, 3, 1, 0, 3).module()]
    assert isinstance(modules[-1], SqueezeExcite)
    assert isinstance(modules[-2], nn.ReLU)


@pytest.mark.parametrize("skip", ["identity", "pool"])
@pytest.mark.parametrize("shape", [(16, 24, 1), (16, 16, 2), (16, 16, 1)])
def test_a_skip_stands_where_the_layer_keeps_its_shape(
    skip: str, shape: tuple[int, int, int]
) -> None:
    spec = layer("mbconv3", 0.0, skip, shape)
    if shape != (16, 16, 1):
        assert spec == layer("mbconv3", 0.0, "none", shape)
        return
    module, x = spec.module().eval(), torch.randn(1, 16, 7, 7)
    with torch.no_grad():
        kept = x if skip == "identity" else nn.functional.avg_pool2d(x, 3, 1, 1)
        torch.testing.assert_close(module(x), module.body(x) + kept)


# Published networks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "macs", "residuals"),
    [
        ("a1", 3_887_038, 311_579_072, 9),
        ("b1", 4_383_312, 314_415_872, 10),
        ("small", 2_030_264, 68_339_184, 9),
    ],
)
def test_networks_cost_what_the_authors_code_costs(
    name: str, parameters: int, macs: int, residuals: int
) -> None:
    cost, found = costs(graph(mnasnet(name))), run(mnasnet(name))
    assert (cost.parameters, cost.macs) == (parameters, (macs,))
    assert sum(operator.kind == "add" for operator in found) == residuals
    strided = [o.output_size for o in found if o.macs and o.stride != (1, 1)]
    assert strided == [(size, size) for size in (112, 56, 28, 14, 7)]


def test_small_has_one_residual_more_in_timms_code() -> None:
    assert sum(operator.kind == "add" for operator in run(mnasnet("small", 1.0, "torch"))) == 10


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_the_first_block_has_no_skip_even_where_its_channels_agree(width: float) -> None:
    whole = graph(mnasnet("a1", width))
    assert isinstance(next(n for n in whole.nodes if n.name == "block1.layer1").spec, ConvOp)


@pytest.mark.parametrize("name", ["a1", "small"])
@pytest.mark.parametrize("size", [29, 33, 47, 223, 299])
def test_official_padding_gives_half_the_pixels_rounded_up(name: str, size: int) -> None:
    strided = [o for o in run(mnasnet(name), (3, size, size + 1)) if o.macs and max(o.stride) > 1]
    pixels, expected = (size, size + 1), []
    for _ in range(5):
        pixels = (-(-pixels[0] // 2), -(-pixels[1] // 2))
        expected.append(pixels)
    assert [operator.output_size for operator in strided] == expected


def test_official_padding_stands_at_the_end_of_even_sizes() -> None:
    stem = graph(mnasnet("a1")).nodes[0].spec.module()
    weights = next(module for module in stem if isinstance(module, nn.Conv2d)).weight
    with torch.no_grad():
        weights.fill_(1.0)
        sums = nn.Sequential(*[*stem][:2])(torch.ones(1, 3, 8, 8))[0, 0]
    expected = torch.full((4, 4), 27.0)
    expected[3, :] = expected[:, 3] = 18.0
    expected[3, 3] = 12.0
    assert torch.equal(sums, expected)


@given(
    channels=st.integers(1, 250).map(lambda eighths: 8 * eighths),
    width=st.floats(0.01, 10).filter(lambda w: w != 1),
)
def test_widths_round_as_torchvisions(channels: int, width: float) -> None:
    assert scaled(channels, width) == models._utils._make_divisible(channels * width, 8)
    assert scaled(channels, width) == models.mnasnet._round_to_multiple_of(channels * width, 8)
    assert scaled(channels, 1.0) == channels


def randomised(model: nn.Module) -> nn.Module:
    """Draw BatchNorm's weights and statistics, so that their order and epsilon show."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.02, 1.5)
    return model.eval()


def norms(model: nn.Module) -> list[tuple[float, float | None]]:
    return [(m.eps, m.momentum) for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


TORCHVISION = {
    "mnasnet1_0": (lambda: models.MNASNet(1.0), mnasnet("b1", 1.0, "torchvision")),
    "mnasnet0_5": (lambda: models.MNASNet(0.5), mnasnet("b1", 0.5, "torchvision")),
    "mobilenet_v2": (lambda: models.MobileNetV2(), mobilenet_v2()),
    "mobilenet_v2-1.4": (lambda: models.MobileNetV2(width_mult=1.4), mobilenet_v2(1.4)),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_weights_give_torchvisions_logits(name: str) -> None:
    make, architecture = TORCHVISION[name]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        theirs = randomised(make())
        x = torch.randn(2, 3, 97, 96)
        ours = MNASNET.build(architecture, IMAGENET, CLASSES).eval()
        load_torchvision(ours, theirs.state_dict())
        expected = theirs(x)
        assert expected.std() > 0.01
        assert (ours(x)[-1] - expected).abs().max() < 1e-4
        assert norms(ours) == norms(theirs)
        for module in ours.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-3  # the authors' epsilon would be seen
        assert (ours(x)[-1] - expected).abs().max() > 1e-3


def test_torchvisions_dropout_stands_before_the_classifier() -> None:
    for make, architecture in TORCHVISION.values():
        shares = [
            [m.p for m in model.modules() if isinstance(m, nn.Dropout)]
            for model in (make(), MNASNET.build(architecture, IMAGENET, CLASSES))
        ]
        assert shares[0] == shares[1] == [0.2]


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.3, 1.4])
def test_mobilenet_v2_is_as_large_as_torchvisions_at_any_width(width: float) -> None:
    with torch.device("meta"):
        theirs = models.MobileNetV2(width_mult=width)
    parameters = sum(parameter.numel() for parameter in theirs.parameters())
    assert costs(graph(mobilenet_v2(width))).parameters == parameters


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("a2",), "name cannot be 'a2': choose from a1, b1, small"),
        ((["a1"],), "name cannot be"),
        (("a1", 0), "width cannot be 0"),
        (("a1", True), "width cannot be True"),
        (("a1", float("nan")), "width cannot be nan"),
        (("a1", "1.0"), "width cannot be '1.0'"),
        (("a1", 1.0, "keras"), "conventions cannot be keras: choose from official"),
    ],
)
def test_networks_that_nobody_has_are_refused(options: tuple[Any, ...], message: str) -> None:
    with pytest.raises(SpaceError, match=message) as raised:
        mnasnet(*options)
    assert "\n" not in str(raised.value)


def test_widths_that_mobilenet_v2_cannot_have_are_refused() -> None:
    with pytest.raises(SpaceError, match="width cannot be -1"):
        mobilenet_v2(-1)


def test_a_published_network_is_scaled_by_its_width_alone() -> None:
    assert [d.name for d in MNASNET.decisions if d.width] == ["width"]
    whole = mnasnet("a1").decisions()
    assert MNASNET.point(whole | {"width": 0.5}).key == mnasnet("a1", 0.5).key


def test_searched_networks_are_small_at_32_pixels() -> None:
    rng = np.random.default_rng(0)
    macs = [costs(graph(MNASNET.sample(rng), (3, 32, 32))).macs[-1] for _ in range(20)]
    assert 5e6 < np.median(macs) < 40e6
    assert max(macs) < 200e6
