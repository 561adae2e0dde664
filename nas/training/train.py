"""A short training: tensors in memory, one thread, the same weights from the same seed.

It may be left after any epoch and taken up from its state, in another process, to the same weights.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from nas.data.dataset import Dataset
from nas.training.recipe import Recipe
from nas.training.steps import Pause, Steps, threads
from nas.training.trial_checkpoint import TrialCheckpoint
from search_spaces.network import StagedNetwork

OnEpoch = Callable[[TrialCheckpoint], None]  # whose tensors change once it returns


@dataclass(frozen=True, slots=True)
class Trained:
    """A training so far.

    losses: mean sum of the exits' losses per image of each epoch. seconds: by the clock, those
    before it was taken up included.
    """

    losses: tuple[float, ...]
    seconds: float


def train(
    network: StagedNetwork,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    pause: Pause = nullcontext,
    on_epoch: OnEpoch = lambda checkpoint: None,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
    *,
    begun: TrialCheckpoint | None = None,
    until: int | None = None,
) -> Trained:
    """Train `network` in place on `dataset.train`; bit for bit the same on the same CPU build.

    seed: draws the order, the augmentation and any dropout; torch's own generator is left as it
    was. pause: a context entered around every batch, where a measurement can make it wait.
    device: where the network is left; every batch is drawn on the CPU and moved there. One thread:
    two trials of one thread beat one trial of two threads. begun: where another call left the same
    training. until: the epoch after which it is left, all by default. The network then has the
    weights that count: averaged ones if the recipe averages, or where it is left before its last
    epoch.

    Raises:
        TrainingDiverged: a loss that is infinite or no number; the epoch is named.
    """
    start, before = clock(), 0.0 if begun is None else begun.seconds
    losses = [] if begun is None else list(begun.losses)
    with threads(1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # for dropout inside the network
        end = recipe.epochs if until is None else until
        generator = torch.Generator().manual_seed(seed)
        steps = Steps(network, dataset, recipe, generator, device, early=end < recipe.epochs)
        if begun is not None:
            steps.load(begun.state)
        for epoch in range(len(losses) + 1, end + 1):
            losses.append(steps.epoch(epoch, pause))
            spent = before + clock() - start
            on_epoch(TrialCheckpoint(tuple(losses), spent, steps.state()))
        if steps.counting is not None:
            network.load_state_dict(steps.counting.values)
    return Trained(tuple(losses), before + clock() - start)
