"""A short training: tensors in memory, one thread, the same weights from the same seed."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from nas.data.dataset import Dataset
from nas.training.recipe import Recipe
from nas.training.steps import Pause, Steps, threads
from search_spaces.network import StagedNetwork

OnEpoch = Callable[[int, float], None]  # epoch from 1, mean loss over its images


@dataclass(frozen=True, slots=True)
class Trained:
    """losses: mean sum of the exits' losses per image of each epoch. seconds: by the clock."""

    losses: tuple[float, ...]
    seconds: float


def train(
    network: StagedNetwork,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    pause: Pause = nullcontext,
    on_epoch: OnEpoch = lambda epoch, loss: None,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
) -> Trained:
    """Train `network` in place on `dataset.train`; bit for bit the same on the same CPU build.

    seed: draws the order, the augmentation and any dropout; torch's own generator is left as it
    was. pause: a context entered around every batch, where a measurement can make it wait.
    device: where the network is left; every batch is drawn on the CPU and moved there. One thread:
    two trials of one thread beat one trial of two threads.

    Raises:
        TrainingDiverged: a loss that is infinite or no number; the epoch is named.
    """
    start = clock()
    losses = []
    with threads(1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # for dropout inside the network
        steps = Steps(network, dataset, recipe, torch.Generator().manual_seed(seed), device)
        for epoch in range(1, recipe.epochs + 1):
            losses.append(steps.epoch(epoch, pause))
            on_epoch(epoch, losses[-1])
        if steps.average is not None:
            network.load_state_dict(steps.average.values)
    return Trained(tuple(losses), clock() - start)
