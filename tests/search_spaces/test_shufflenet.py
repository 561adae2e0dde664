"""ShuffleNet: the unit against its definition, the networks against the paper's figures."""

from math import log
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, relu

from search_spaces.architecture import Architecture
from search_spaces.errors import SpaceError
from search_spaces.operators import Costs, costs, operators, trace_block
from search_spaces.shufflenet import (
    SHUFFLENET,
    STAGE2_CHANNELS,
    channel_counts,
    shufflenet,
    unit,
)

GROUPS = tuple(STAGE2_CHANNELS)


def network_costs(architecture: Architecture, classes: int = 1000) -> Costs:
    return costs(SHUFFLENET.blocks(architecture, (3, 224, 224), classes))


# The unit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("g", GROUPS)
@pytest.mark.parametrize("shuffled", ["shuffle", "grouped"])
@pytest.mark.parametrize(("h", "w"), [(28, 28), (7, 5)])
def test_a_unit_costs_what_section_3_2_says(g: int, shuffled: str, h: int, w: int) -> None:
    c = 96
    m = c // 4
    trace = trace_block(unit(f"{shuffled}{g}", (c, c)), ((c, h, w),))
    assert trace.macs == h * w * (2 * c * m // g + 9 * m)
    assert trace.output == (c, h, w)


def grouped_convolution(x: Tensor, weight: Tensor, groups: int, **options: int) -> Tensor:
    parts = zip(x.chunk(groups, 1), weight.chunk(groups, 0), strict=True)
    return torch.cat([conv2d(part, own, **options) for part, own in parts], 1)


def normalised(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + 1e-5).sqrt()
    shift = norm.bias - norm.running_mean * scale
    return x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)


def shuffled_channels(x: Tensor, groups: int) -> Tensor:
    """First every group's first channel, then every group's second, and so on."""
    size = x.shape[1] // groups
    return x[:, [group * size + i for i in range(size) for group in range(groups)]]


def reference_unit(module: nn.Module, x: Tensor, first: int, g: int, stride: int) -> Tensor:
    """Compute a unit from its weights; ``first`` (negative: no shuffle) and ``g`` are groups."""
    convs = [part.weight for part in module.modules() if isinstance(part, nn.Conv2d)]
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    y = relu(normalised(grouped_convolution(x, convs[0], abs(first)), norms[0]))
    if first > 1:
        y = shuffled_channels(y, first)
    y = normalised(grouped_convolution(y, convs[1], y.shape[1], stride=stride, padding=1), norms[1])
    y = normalised(grouped_convolution(y, convs[2], g), norms[2])
    return relu(x + y) if stride == 1 else torch.cat([avg_pool2d(x, 3, 2, 1), relu(y)], 1)


def trained_unit(op: str, channels: tuple[int, int], stride: int) -> nn.Module:
    """Return a unit in double precision whose BatchNorms have seen and learnt something."""
    torch.manual_seed(1)
    module = unit(op, channels, stride=stride).module().double().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            for values in (part.weight, part.running_var):
                nn.init.uniform_(values, 0.5, 2.0)
            for values in (part.bias, part.running_mean):
                nn.init.normal_(values)
    return module


@pytest.mark.parametrize(
    ("op", "first", "g"),
    [
        ("shuffle1", 1, 1),
        ("shuffle2", 2, 2),
        ("shuffle3", 3, 3),
        ("grouped3", -3, 3),
        ("grouped1-3", 1, 3),
        ("shuffle4", 4, 4),
    ],
)
@pytest.mark.parametrize(("out", "stride", "size"), [(48, 1, (6, 7)), (96, 2, (6, 7))])
def test_a_unit_computes_what_figure_2_shows(
    op: str, first: int, g: int, out: int, stride: int, size: tuple[int, int]
) -> None:
    module = trained_unit(op, (48, out), stride)
    x = torch.randn(2, 48, *size, dtype=torch.double)
    with torch.no_grad():
        expected = reference_unit(module, x, first, g, stride)
        torch.testing.assert_close(module(x), expected)
    assert expected.shape[1] == out


def hears(module: nn.Module, channels: int, groups: int) -> Tensor:
    """Return [groups, groups]: whether a group of the body's output depends on one of its input."""
    x = 10 * torch.randn(2, channels, 8, 8, dtype=torch.double)  # so strong that no ReLU is dead
    x.requires_grad_()
    body = module.get_submodule("body")
    rows = []
    for answers in body(x).chunk(groups, 1):
        (gradient,) = torch.autograd.grad(answers.square().sum(), x, retain_graph=True)
        rows.append(torch.stack([part.abs().sum() for part in gradient.chunk(groups, 1)]))
    return torch.stack(rows) > 0


@pytest.mark.parametrize("g", [2, 3, 4, 8])
@pytest.mark.parametrize("stride", [1, 2])
def test_groups_hear_each_other_only_through_the_shuffle(g: int, stride: int) -> None:
    c = 4 * g * g  # inside the unit as many channels a group as groups, so that each reaches all
    out = c * stride
    everyone = torch.ones(g, g, dtype=torch.bool)
    assert torch.equal(hears(trained_unit(f"shuffle{g}", (c, out), stride), c, g), everyone)
    alone = torch.eye(g, dtype=torch.bool)
    assert torch.equal(hears(trained_unit(f"grouped{g}", (c, out), stride), c, g), alone)
    assert torch.equal(hears(trained_unit(f"grouped1-{g}", (c, out), stride), c, g), everyone)


# The network -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("g", "millions"), [(1, 143), (2, 140), (3, 137), (4, 133), (8, 137)])
def test_complexities_of_table_1_without_the_linear_layer(g: int, millions: int) -> None:
    classes = 1000
    linear = classes * channel_counts(g, 1.0, 4, 24)[-1]
    assert round((network_costs(shufflenet(g)).macs[-1] - linear) / 1e6) == millions


@pytest.mark.parametrize("g", GROUPS)
def test_costs_grow_about_with_the_square_of_the_width(g: int) -> None:
    widths = np.geomspace(0.5, 2, 7).tolist()
    macs = [network_costs(shufflenet(g, width)).macs[-1] for width in widths]
    slope, _ = np.polyfit([log(width) for width in widths], [log(count) for count in macs], 1)
    assert 1.8 < slope < 2.1


def test_stages_have_the_sizes_and_units_of_table_1() -> None:
    stages = operators(SHUFFLENET.blocks(shufflenet(3), (3, 224, 224), 1000))
    depthwise = [op for stage in stages for op in stage if op.kind == "depthwise"]
    assert [op.output_size[0] for op in depthwise] == [28] * 4 + [14] * 8 + [7] * 4
    assert [op.in_channels for op in depthwise] == [60] * 4 + [120] * 8 + [240] * 4
    first, *others = [op for stage in stages for op in stage if op.kind == "conv"][1:]
    assert first.groups == 1
    assert {op.groups for op in others} == {3}
    (linear,) = [op for stage in stages for op in stage if op.kind == "linear"]
    assert not linear.bias


@given(
    groups=st.sampled_from(GROUPS),
    width=st.floats(0.05, 8),
    bottleneck=st.sampled_from([4, 2]),
    stem=st.integers(1, 48),
)
def test_any_width_is_rounded_up_to_what_groups_divide(
    groups: int, width: float, bottleneck: int, stem: int
) -> None:
    first, *stages = channel_counts(groups, width, bottleneck, stem)
    step = bottleneck * groups
    assert first % groups == 0
    assert all(out % step == 0 for out in stages)
    assert all(given < out for given, out in zip([first, *stages], stages, strict=False))
    for stage, out in enumerate(stages):
        wanted = STAGE2_CHANNELS[groups] * 2**stage * width
        assert wanted - 1e-3 <= out < wanted + step + 1e-3


def test_sizes_of_the_official_code_need_no_rounding() -> None:
    for groups in (3, 8):
        for width in (0.5, 1.0, 1.5, 2.0):
            plain = [STAGE2_CHANNELS[groups] * 2**stage * width for stage in range(3)]
            assert channel_counts(groups, width, 4, 24)[1:] == plain


@pytest.mark.parametrize(("groups", "stem"), [(1, 36), (3, 24), (8, 24)])
def test_the_official_code_keeps_the_stem_of_24_at_one_and_a_half(groups: int, stem: int) -> None:
    graph = SHUFFLENET.blocks(shufflenet(groups, 1.5), (3, 224, 224), 10)
    assert operators(graph)[0][0].out_channels == stem


def test_shuffling_costs_nothing_and_is_nothing_with_one_group() -> None:
    for groups in (2, 3, 4, 8):
        pair = [shufflenet(groups, shuffle=shuffle) for shuffle in (True, False)]
        assert pair[0].key != pair[1].key
        assert network_costs(pair[0]) == network_costs(pair[1])
    assert shufflenet(1, shuffle=False) == shufflenet(1)


def test_exits_stand_after_units_and_the_last_one_is_the_official() -> None:
    architecture = shufflenet(units=(2, 3, 2), exits=("end", "1-3", "end"), head="conv32")
    nodes = SHUFFLENET.blocks(architecture, (3, 32, 32), 10).nodes
    before = [nodes[i - 1].name for i, node in enumerate(nodes) if node.name.startswith("exit")]
    assert before == ["stage2.unit2", "stage3.unit1", "stage3.unit3", "stage4.unit2"]
    assert "stage3.exits" in architecture.widened
    assert architecture["stage4.exits"] == "none"


def test_published_networks_are_the_papers_and_the_official_codes() -> None:
    names = list(SHUFFLENET.published)
    assert {"shufflenet-g3-1.0x", "shufflenet-g8-2.0x", "shufflenet-g3-0.25x-no-shuffle"} <= {
        *names
    }
    assert len({architecture.key for architecture in SHUFFLENET.published.values()}) == len(names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 5}, "groups cannot be 5: choose from 3, 1, 2, 4, 8"),
        ({"groups": True}, "groups cannot be True"),
        ({"width": 0}, "width cannot be 0: .* a number from 0.05 to 8"),
        ({"width": "1x"}, "width cannot be '1x'"),
        ({"width": True}, "width cannot be True"),
        ({"width": float("nan")}, "width cannot be nan"),
        ({"shuffle": 1}, "shuffle cannot be 1"),
        ({"units": {4}}, r"units cannot be \{4\}: one for all or for each stage"),
        ({"units": (4, 8)}, r"units cannot be \(4, 8\): one for all or for each stage \(3\)"),
        ({"units": (4, 0, 4)}, "stage3.units cannot be 0"),
        ({"units": (4, 8.5, 4)}, "stage3.units cannot be 8.5"),
        ({"bottleneck": 3}, "bottleneck cannot be 3"),
        ({"kernel": 4}, "stage2.kernel cannot be 4: choose from 3, 5"),
        ({"channels": 0}, "channels cannot be 0"),
        ({"stem": "cifar"}, "stem cannot be cifar: choose from imagenet, small"),
        ({"exits": ("end",)}, r"exits cannot be \('end',\): one for all or for each stage"),
        ({"width": 10**400}, "width cannot be 1000"),
        ({"exits": ("none", "9", "none")}, "exits cannot be '9': the block has 8 layers"),
        ({"head": "linear"}, "head cannot be linear"),
    ],
)
def test_options_that_no_network_has_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message) as raised:
        shufflenet(**options)
    assert "\n" not in str(raised.value)
