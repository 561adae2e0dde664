"""Layers without weights are not filled; with weights they are torch's own."""

import copy

import pytest
import torch
from torch import nn

from search_spaces import operators, unfilled
from search_spaces.layers import Scale

PAIRS = [
    (unfilled.Conv2d, nn.Conv2d, (4, 8, 3)),
    (unfilled.BatchNorm2d, nn.BatchNorm2d, (8,)),
    (unfilled.Linear, nn.Linear, (4, 8)),
]
each = pytest.mark.parametrize(("ours", "torchs", "sizes"), PAIRS)


@each
def test_with_weights_they_are_the_same(
    ours: type[nn.Module], torchs: type[nn.Module], sizes: tuple[int, ...]
) -> None:
    torch.manual_seed(3)
    mine = ours(*sizes)
    torch.manual_seed(3)
    theirs = torchs(*sizes)
    assert mine.state_dict().keys() == theirs.state_dict().keys()
    for name, value in theirs.state_dict().items():
        assert torch.equal(mine.state_dict()[name], value)
    assert type(copy.deepcopy(mine)) is ours


@each
def test_without_weights_nothing_is_drawn(
    ours: type[nn.Module],
    torchs: type[nn.Module],
    sizes: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("kaiming_uniform_", "uniform_", "ones_", "zeros_"):
        monkeypatch.setattr(nn.init, name, lambda *_, **__: pytest.fail("filled"))
    with torch.device("meta"):
        made = ours(*sizes)
    assert all(parameter.is_meta for parameter in made.parameters())


def test_a_norm_without_weights_of_its_own_can_be_made() -> None:
    with torch.device("meta"):
        assert unfilled.BatchNorm2d(8, affine=False).weight is None


@pytest.mark.parametrize("size", [1, (1, 1), (3, 2), (None, 1)])
def test_pools_keep_the_sides_that_they_leave(size: object) -> None:
    pool = nn.AdaptiveAvgPool2d(size)  # type: ignore[arg-type]
    x = torch.rand(2, 4, 6, 5)
    assert operators._pooled(pool, x).shape == pool(x).shape


def test_gates_leave_the_shape() -> None:
    x, gates = torch.rand(2, 4, 6, 5), torch.rand(2, 4, 1, 1)
    assert operators._same(Scale(), x, gates).shape == Scale()(x, gates).shape
