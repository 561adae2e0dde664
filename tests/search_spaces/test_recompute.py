"""Training with ``checkpoint`` computes the same and keeps less."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.densenet_memory import densenet_bc, exponent, peaks
from nas import plugins
from search_spaces.densenet import densenet
from search_spaces.msd import msdnet
from search_spaces.network import StagedNetwork

IMAGE, CLASSES = (3, 16, 16), 4
SPACES = ("msd", "ranet", "densenet")


def drawn() -> list[Any]:
    """Four of each space; two of them wait for the slow tests."""
    rng, found = np.random.default_rng(0), []
    for name in SPACES:
        for number in range(4):
            marks = pytest.mark.slow if number > 1 else ()
            found.append(pytest.param(plugins.space(name).sample(rng), marks=marks))
    return found


def architectures() -> list[Any]:
    exits = ("2-3", "middle", "both")
    return [
        msdnet(nBlocks=3, base=3, step=2, nChannels=8),
        densenet((3, 3, 2), (4, 8, 8), 8, stem="cifar", exits=exits, head="conv32"),
    ]


def built(architecture: Any, checkpoint: bool) -> StagedNetwork:
    space = plugins.space(architecture.space)
    return space.build(architecture, IMAGE, CLASSES, seed=3, checkpoint=checkpoint).double().train()


def trained_step(network: StagedNetwork) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, *IMAGE, generator=generator, dtype=torch.float64)
    losses = network.training_losses(x, torch.tensor([0, 1, 2, 3]))
    torch.stack(losses).sum().backward()
    return losses


@pytest.mark.parametrize(
    "architecture", [*drawn(), *architectures()], ids=lambda a: f"{a.space}-{a.key}"
)
def test_losses_gradients_and_statistics_are_the_same(architecture: Any) -> None:
    plain, saving = built(architecture, False), built(architecture, True)
    for _ in range(2):
        torch.testing.assert_close(trained_step(saving), trained_step(plain))
    for (name, ours), theirs in zip(saving.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-9, atol=1e-12, msg=name)
    statistics = dict(plain.named_buffers())
    for name, buffer in saving.named_buffers():
        torch.testing.assert_close(buffer, statistics[name], rtol=0, atol=0, msg=name)
    assert any(name.endswith("num_batches_tracked") for name in statistics)


def test_the_network_answers_with_tensors_in_training_and_evaluation() -> None:
    architecture = architectures()[-1]
    plain, saving = built(architecture, False), built(architecture, True)
    x = torch.randn(2, *IMAGE, dtype=torch.float64)
    for _ in range(2):
        for ours, theirs in zip(saving(x), plain(x), strict=True):
            torch.testing.assert_close(ours, theirs)
        plain.eval(), saving.eval()
    state = saving.train().stages[0](x)
    assert all(isinstance(value, torch.Tensor) for value in state)


def test_norms_are_as_before_when_the_second_run_fails() -> None:
    network = built(architectures()[-1], True)
    layer: Any = network.stages[0].blocks[1]
    norm = layer.features[0]

    def stop(module: Any, given: Any) -> None:
        if norm.num_batches_tracked is None:
            raise RuntimeError("interrupted")

    layer.features[2].register_forward_pre_hook(stop)
    with pytest.raises(RuntimeError, match="interrupted"):
        trained_step(network)
    assert norm.momentum == network.graph.norm.momentum
    assert norm.num_batches_tracked.item() == 1


def saved(layers: int, checkpoint: bool) -> int:
    architecture = densenet((layers,), 12, 12, stem="cifar")
    return peaks(architecture, 2, checkpoint, "cpu").saved


def test_what_is_kept_for_backward_grows_linearly_in_depth() -> None:
    """Second differences over equal steps of depth: none with checkpoint, constant without."""
    kept = {c: np.array([saved(layers, c) for layers in (8, 12, 16, 20)]) for c in (True, False)}
    assert set(np.diff(kept[True], n=2)) == {0}
    assert np.diff(kept[False], n=2).min() > 0
    assert len(set(np.diff(kept[False], n=2))) == 1


def test_peaks_on_the_meta_device_are_those_of_the_cpu() -> None:
    architecture = densenet((3, 3), 4, 8, stem="cifar")
    for checkpoint in (True, False):
        assert peaks(architecture, 2, checkpoint) == peaks(architecture, 2, checkpoint, "cpu")


@pytest.mark.slow
def test_the_whole_peak_of_training_densenets_is_about_linear_in_depth() -> None:
    sizes = [peaks(densenet_bc(layers), 8, True).whole for layers in (40, 70, 100, 190)]
    assert exponent(sizes) <= 1.15


def test_the_exponent_of_a_power_law_is_found() -> None:
    assert math.isclose(exponent([3 * layers**2 for layers in (40, 70, 100, 190)]), 2.0)
