"""The inception space and Inception-v3, against torchvision's model and the paper's cost laws."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nas.data.torchvision_sets import import_torchvision
from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockGraph, Image
from search_spaces.errors import SpaceError
from search_spaces.inception import INCEPTION, inception_v3
from search_spaces.inception_network import PIXELS, Filters, SideHead
from search_spaces.network import StagedNetwork
from search_spaces.operators import Operator, costs, observe, operators, trace_block
from search_spaces.torchvision_layout import load_torchvision


def graph_of(architecture: Architecture, pixels: int = 299, classes: int = 1000) -> BlockGraph:
    return INCEPTION.blocks(architecture, (3, pixels, pixels), classes)


def theirs(**options: Any) -> nn.Module:
    model: nn.Module = import_torchvision().models.inception_v3(
        weights=None, init_weights=False, transform_input=False, **options
    )
    return model


# Against torchvision ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair() -> tuple[nn.Module, StagedNetwork]:
    """torchvision's network with random statistics and affine weights, and ours with the same."""
    generator = torch.Generator().manual_seed(0)
    model = theirs(num_classes=10, dropout=0.0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0.0, 0.1, generator=generator)
            module.running_var.uniform_(0.2, 0.4, generator=generator)
            nn.init.uniform_(module.weight, 0.8, 1.2, generator=generator)
            nn.init.normal_(module.bias, 0.0, 0.1, generator=generator)
    ours = INCEPTION.build(inception_v3(), (3, 299, 299), 10)
    load_torchvision(ours, model.state_dict(), "inception")
    for module in ours.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model, ours


def photographs(count: int) -> Tensor:
    return torch.randn(count, 3, 299, 299, generator=torch.Generator().manual_seed(1))


def test_answers_equal_torchvisions(pair: tuple[nn.Module, StagedNetwork]) -> None:
    model, ours = (network.eval() for network in pair)
    with torch.no_grad():
        expected, (answer,) = model(photographs(1)), ours(photographs(1))
    assert expected.std() > 0.01
    torch.testing.assert_close(answer, expected, atol=1e-4, rtol=0)


def test_training_equals_torchvisions_side_head_included(
    pair: tuple[nn.Module, StagedNetwork],
) -> None:
    model, ours = (network.train() for network in pair)
    x, y = photographs(2), torch.tensor([3, 7])
    side: list[Tensor] = []
    ours.auxiliary[0].register_forward_hook(lambda module, given, output: side.append(output))
    with torch.no_grad():
        expected, expected_side = model(x)
        losses = ours.training_losses(x, y)
    torch.testing.assert_close(side[0], expected_side, atol=1e-3, rtol=0)
    weighted = [cross_entropy(expected, y), 0.4 * cross_entropy(expected_side, y)]
    torch.testing.assert_close(losses, weighted, atol=1e-3, rtol=0)


def working(found: list[Operator]) -> list[Operator]:
    return [op for op in found if op.kind in ("conv", "linear")]


def test_every_convolution_is_torchvisions() -> None:
    with torch.device("meta"):
        expected, _ = observe(theirs(num_classes=1000).eval(), [torch.empty(1, 3, 299, 299)])
    (stage,) = operators(graph_of(inception_v3()))
    assert working(list(stage)) == working(expected)
    assert len(working(expected)) == 95


def test_parameters_are_the_published_ones() -> None:
    whole, bare = (costs(graph_of(inception_v3(aux=aux))) for aux in (True, False))
    assert (whole.parameters, bare.parameters) == (27_161_264, 23_834_568)
    assert whole.macs == bare.macs == (5_713_216_096,)


# The paper's laws ---------------------------------------------------------------------------------


def macs_of(filters: Filters) -> int:
    """Cost of one large filter, 64 channels everywhere, on 17 pixels."""
    shape: Any = (64, 17, 17)
    return sum(trace_block(spec, (shape,)).macs for spec in filters.one(64, 64))


def test_two_3x3_cost_18_of_25_of_a_5x5() -> None:
    kept, replaced = Filters("square"), Filters("square", five="3x3-3x3")
    assert 25 * macs_of(replaced) == 18 * macs_of(kept)


@pytest.mark.parametrize("n", [3, 5, 7])
def test_1xn_and_nx1_cost_2_of_n_of_an_nxn(n: int) -> None:
    square = 64 * 64 * n * n * 17 * 17
    assert n * macs_of(Filters("factorized", n=n)) == 2 * square


def test_an_expanded_3x3_gives_twice_the_channels_for_2_of_3_of_the_cost() -> None:
    expanded = Filters("expanded")
    assert 3 * macs_of(expanded) == 2 * 64 * 64 * 9 * 17 * 17
    assert trace_block(expanded.one(64, 64)[0], ((64, 17, 17),)).output == (128, 17, 17)


def kinds(architecture: Architecture) -> list[str]:
    return [op.kind for stage in operators(graph_of(architecture)) for op in stage]


def test_linear_factors_leave_out_the_activations_between_them_alone() -> None:
    # 3 modules of 35 pixels with one pair, 4 of 17 with three, the reduction after these with one.
    missing = kinds(inception_v3()).count("activation") - 3 - 4 * 3 - 1
    linear = kinds(inception_v3(activation="none"))
    assert linear.count("activation") == missing
    assert linear.count("conv") == kinds(inception_v3()).count("conv")


@pytest.mark.parametrize("aux", ["low", "high", "both"])
@pytest.mark.parametrize("norm", ["bn", "conv", "dropout", "none"])
def test_side_heads_cost_parameters_and_a_loss_but_nothing_at_inference(
    aux: Any, norm: Any
) -> None:
    sided = graph_of(inception_v3(aux=aux, aux_norm=norm))
    bare = graph_of(inception_v3(aux=False))
    with_heads, without = costs(sided), costs(bare)
    assert sided.stages() == bare.stages()
    assert operators(sided) == operators(bare)
    assert (with_heads.macs, with_heads.lazy_macs) == (without.macs, without.lazy_macs)
    assert with_heads.parameters > without.parameters
    heads = 2 if aux == "both" else 1
    assert [weight for _, weight in sided.losses] == [1.0] + [0.4] * heads
    assert bare.losses == ()


def test_every_exit_and_side_head_is_trained() -> None:
    choices = inception_v3(aux="both", width=0.125).decisions()
    choices |= {"grid35.exits": "middle", "grid17.exits": "end", "grid8.exits": "both"}
    network = INCEPTION.build(INCEPTION.point(choices), (3, 32, 32), 10).train()
    assert len(network.graph.exits) == 4  # the last module has the last classifier alone
    losses = network.training_losses(torch.randn(2, 3, 32, 32), torch.tensor([0, 1]))
    assert len(losses) == 6
    weights = [weight for _, weight in network.graph.losses]
    assert weights == [1.0, 1.0, 1.0, 1.0, 0.4, 0.4]


@pytest.mark.parametrize("norm", [("bn", 2), ("conv", 1), ("dropout", 0), ("none", 0)])
def test_side_heads_normalize_what_they_say(norm: tuple[str, int]) -> None:
    head = SideHead(64, (17, 17), (16, 32), 10, norm[0]).module()
    modules = list(head.modules())
    assert sum(isinstance(m, nn.BatchNorm2d) for m in modules) == norm[1]
    assert sum(isinstance(m, nn.Dropout) for m in modules) == (norm[0] == "dropout")


@pytest.mark.parametrize("grid", [(1, 1), (2, 3), (5, 5), (6, 9), (16, 17), (35, 36)])
def test_side_heads_average_any_grid_to_at_most_5_pixels(grid: tuple[int, int]) -> None:
    head: Any = SideHead(4, grid, (8, 16), 10, "none").module()
    pooled = head[0](torch.zeros(2, 4, *grid))
    assert pooled.shape[2:] == (min(5, grid[0]), min(5, grid[1]))
    assert head(torch.zeros(2, 4, *grid)).shape == (2, 10)


# Images -------------------------------------------------------------------------------------------


def grids(graph: BlockGraph) -> list[tuple[int, ...]]:
    """Shapes that the last module of each grid gives."""
    shapes: dict[str, tuple[int, ...]] = {"x": graph.image}
    last: dict[str, tuple[int, ...]] = {}
    for node in graph.nodes:
        shapes[node.name] = trace_block(node.spec, tuple(shapes[i] for i in node.inputs)).output
        last[node.name.partition(".")[0]] = shapes[node.name]
    return [last[grid][1:] for grid in ("grid35", "grid17", "grid8")]


@pytest.mark.parametrize(
    ("stem", "pixels", "expected"),
    [("imagenet", 299, (35, 17, 8)), ("medium", 151, (35, 17, 8)), ("small", 79, (36, 17, 8))],
)
def test_each_stem_leads_its_images_to_the_published_grids(
    stem: Any, pixels: int, expected: tuple[int, ...]
) -> None:
    assert grids(graph_of(inception_v3(stem=stem), pixels)) == [(p, p) for p in expected]


@pytest.mark.parametrize("stem", PIXELS)
def test_padding_is_the_published_one_wherever_it_leaves_a_pixel(stem: Any) -> None:
    architecture = inception_v3(stem=stem, width=0.125)
    assert grids(graph_of(architecture, PIXELS[stem])) == [(7, 7), (3, 3), (1, 1)]
    assert "valid" in repr(graph_of(architecture, PIXELS[stem]).nodes)
    assert "valid" not in repr(graph_of(architecture, PIXELS[stem] - 1).nodes)


@pytest.mark.parametrize("image", [(3, 8, 8), (1, 28, 28), (3, 74, 74), (3, 75, 299), (3, 30, 200)])
@pytest.mark.parametrize("stem", PIXELS)
def test_images_of_any_shape_fit_side_heads_too(stem: Any, image: Image) -> None:
    graph = INCEPTION.blocks(inception_v3(stem=stem, aux="both", width=0.125), image, 10)
    network = StagedNetwork(graph).train()
    losses = network.training_losses(torch.randn(2, *image), torch.tensor([0, 1]))
    assert all(loss.isfinite() for loss in losses)


# Decisions ----------------------------------------------------------------------------------------


def test_what_has_no_effect_is_canonical() -> None:
    chosen = inception_v3(aux=False).decisions()
    assert "aux_norm" not in chosen
    assert inception_v3(aux=False, aux_norm="none") == inception_v3(aux=False)
    chosen |= {"head": "conv32", "grid8.exits": "end"}
    assert INCEPTION.point(chosen) == inception_v3(aux=False)
    for grid in ("grid35", "grid17"):
        chosen[f"{grid}.module"] = "expanded"
    inner = ("grid35.five", "grid17.n")
    expanded = {name: value for name, value in chosen.items() if name not in inner}
    linear = INCEPTION.point(expanded | {"activation": "none"})
    assert linear == INCEPTION.point(expanded)
    assert linear["activation"] == "relu"


def test_published_networks_differ() -> None:
    assert len({a.key for a in INCEPTION.published.values()}) == len(INCEPTION.published)


def test_published_channels_depend_on_the_number_of_modules_as_documented() -> None:
    counts = [costs(graph_of(inception_v3(modules=(1, c, 1)))).parameters for c in range(1, 6)]
    assert counts == sorted(counts)
    assert len(set(counts)) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aux": "middle"}, "aux cannot be middle: choose from high, none, low, both"),
        ({"aux": 1}, "aux cannot be 1"),
        ({"aux_norm": "batch"}, "aux_norm cannot be batch"),
        ({"stem": "large"}, "stem cannot be large: choose from imagenet, medium, small"),
        ({"width": 0}, "width cannot be 0"),
        ({"width": True}, "width cannot be True"),
        ({"width": float("nan")}, "width cannot be nan"),
        ({"modules": (3, 4)}, r"modules cannot be \(3, 4\): one for all or for each grid"),
        ({"modules": 0}, "grid35.modules cannot be 0"),
        ({"modules": (3, 0, 2)}, "grid17.modules cannot be 0"),
        ({"modules": (True, 4, 2)}, "grid35.modules cannot be True"),
        ({"five": "5"}, "grid35.five cannot be 5: choose from 5x5, 3x3-3x3"),
        ({"n": 4}, "grid17.n cannot be 4: choose from 7, 3, 5"),
        ({"factorized": 1}, "factorized cannot be 1"),
        ({"activation": "relu6"}, "activation cannot be relu6"),
    ],
)
def test_options_that_no_network_has_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message) as raised:
        inception_v3(**options)
    assert "\n" not in str(raised.value)
