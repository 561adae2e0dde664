"""The training loop: tensors in memory, one thread, the same weights from the same seed."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from nas.data.augment import augment, normalise
from nas.data.dataset import Dataset
from nas.training.batches import batches_of, shuffled
from nas.training.errors import TrainingDiverged
from nas.training.recipe import Recipe
from search_spaces.network import StagedNetwork

Pause = Callable[[], AbstractContextManager[object]]
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
    device: where the network is left; every batch is drawn on the CPU and moved there.

    Raises:
        TrainingDiverged: a loss that is infinite or no number; the epoch is named.
    """
    start = clock()
    losses = []
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # for dropout inside the network
        run = _Run(network, dataset, recipe, torch.Generator().manual_seed(seed), device)
        for epoch in range(1, recipe.epochs + 1):
            losses.append(run.epoch(epoch, pause))
            on_epoch(epoch, losses[-1])
    return Trained(tuple(losses), clock() - start)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch inside: two trials of one thread beat one trial of two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Run:
    """What lives from the first step to the last."""

    def __init__(
        self,
        network: StagedNetwork,
        dataset: Dataset,
        recipe: Recipe,
        generator: torch.Generator,
        device: str,
    ) -> None:
        self.network = channels_last(network.train().to(device))
        self.device = device
        self.dataset, self.recipe, self.generator = dataset, recipe, generator
        self.optimiser = torch.optim.SGD(
            parameter_groups(network, recipe.weight_decay),
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=True,
        )
        self.steps_per_epoch = len(batches_of(len(dataset.train), recipe.batch_size))
        self.step = 0
        hasten_norms(network, self.steps_per_epoch * recipe.epochs)

    def epoch(self, epoch: int, pause: Pause) -> float:
        """One pass over the train images; the mean loss per image."""
        count = len(self.dataset.train)
        total = 0.0
        for rows in shuffled(count, self.recipe.batch_size, self.generator):
            with pause():
                loss = self.batch(rows)
            if not torch.isfinite(loss):
                raise TrainingDiverged(f"epoch {epoch}")
            total += loss.item() * len(rows)
        return total / count

    def batch(self, rows: torch.Tensor) -> torch.Tensor:
        """One step of the optimiser; the loss before it, a scalar."""
        recipe, data = self.recipe, self.dataset
        images = normalise(data.train.images[rows], data.mean, data.std)
        images = augment(images, self.generator, recipe.crop, recipe.flip)
        x = images.contiguous(memory_format=torch.channels_last).to(self.device)
        labels = data.train.labels[rows].to(self.device)
        terms = self.network.training_losses(x, labels, recipe.label_smoothing)
        loss = torch.stack(terms).sum()
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self._set_rate()
        self.optimiser.step()
        return loss.detach()

    def _set_rate(self) -> None:
        steps = self.steps_per_epoch * self.recipe.epochs
        rate = self.recipe.learning_rate(self.step, steps, self.steps_per_epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.step += 1


def channels_last(network: StagedNetwork) -> StagedNetwork:
    """The same network, its weights laid out with the channels innermost: faster on CPUs."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def hasten_norms(network: nn.Module, steps: int) -> None:
    """Raise BatchNorm momenta that would not forget where they began within `steps` batches.

    Published momenta suit published lengths: MnasNet's 0.01 leaves a third of the initial
    statistics after 100 batches, and the network answers at random. At least 10 / steps, which
    leaves less than 1/20,000, but no more than torch's own 0.1.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.momentum is not None:
            module.momentum = max(module.momentum, min(0.1, 10 / steps))


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weights that decay (two dimensions and more) and those that do not (biases, norms)."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, object]] = [{"params": weights, "weight_decay": weight_decay}]
    return [*groups, {"params": others, "weight_decay": 0.0}] if others else groups
