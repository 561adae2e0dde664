"""Norms folded into convolutions: the same answers, the network itself untouched."""

import numpy as np
import pytest
import torch
from torch import nn

from nas import plugins
from nas.training.folding import folded

SPACES = tuple(plugins.SPACES)


@pytest.mark.parametrize("name", SPACES)
def test_a_folded_network_answers_the_same(name: str) -> None:
    space = plugins.space(name)
    architecture = space.sample(np.random.default_rng(3))
    network = space.build(architecture, (3, 32, 32), 10, 0, False).eval()
    _seen_a_lot(network)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    quick = folded(network)
    with torch.inference_mode():
        for ours, theirs in zip(quick(x), network(x), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])


def test_only_norms_right_after_a_convolution_are_folded() -> None:
    network = nn.Sequential(
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 4, 1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 5, 1),
        nn.BatchNorm2d(5, track_running_stats=False),
    ).eval()
    kinds = [type(module).__name__ for module in folded(network)]
    assert kinds == [
        *("BatchNorm2d", "Conv2d", "Identity", "ReLU"),
        *("BatchNorm2d", "Conv2d", "BatchNorm2d"),
    ]


def _seen_a_lot(network: nn.Module) -> None:
    """Give every norm statistics and weights of its own, as a training does."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.bias):
                assert values is not None
                values.data.normal_(0, 0.1, generator=generator)
            for values in (module.running_var, module.weight):
                assert values is not None
                values.data.uniform_(0.5, 1.5, generator=generator)
