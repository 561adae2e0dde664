"""The steps of a training, those of a short trial and of a full training alike."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from nas.data.augment import augment, normalise
from nas.data.dataset import Dataset
from nas.training.average import Average, average
from nas.training.batches import batches_of, shuffled
from nas.training.errors import TrainingDiverged, kind_of
from nas.training.losses import OwnLoss, loss_of
from nas.training.optimisers import optimiser
from nas.training.precision import in_bfloat16
from nas.training.recipe import Recipe
from search_spaces.network import StagedNetwork

Pause = Callable[[], AbstractContextManager[object]]


class Steps:
    """A network in training: what lives from the first step to the last.

    generator: draws the order and the augmentation, on the CPU; torch's own draws dropout.
    mixed: bfloat16 on a GPU, whatever the precision of the recipe. early: it will be judged before
    its last epoch, while its learning rate is high and the weights of one step are noise. An
    average over the last tenth of the steps, an epoch at most, says more of the network and changes
    no step: it stands near the middle of where they go round (Izmailov et al. 2018, section 3).
    """

    def __init__(
        self,
        network: StagedNetwork,
        dataset: Dataset,
        recipe: Recipe,
        generator: torch.Generator,
        device: str = "cpu",
        own_loss: OwnLoss | None = None,
        mixed: bool = False,
        early: bool = False,
    ) -> None:
        self.loss = loss_of(network, recipe, own_loss)
        self.network = channels_last(network.train().to(device))
        self.device = device
        self.sixteen = (mixed and device != "cpu") or in_bfloat16(recipe.precision, network.graph)
        self.dataset, self.recipe, self.generator = dataset, recipe, generator
        self.optimiser = optimiser(network, recipe)
        self.steps_per_epoch = len(batches_of(len(dataset.train), recipe.batch_size))
        self.steps = self.steps_per_epoch * recipe.epochs
        self.step = 0
        decay = 1 - 1 / self.steps_per_epoch if early else None
        self.average = average(network, decay if recipe.average is None else recipe.average)
        hasten_norms(network, self.steps)
        if recipe.dropout is not None:
            set_dropout(network, recipe.dropout)

    def epoch(self, epoch: int, pause: Pause = nullcontext) -> float:
        """One pass over the train images; the mean loss per image.

        Raises:
            TrainingDiverged: the loss of a batch is no finite number; `epoch` is named.
        """
        count = len(self.dataset.train)
        total = 0.0
        self.network.train()
        for rows in shuffled(count, self.recipe.batch_size, self.generator):
            with pause():
                loss = self.batch(rows)
            if not torch.isfinite(loss):
                raise TrainingDiverged(f"epoch {epoch}", kind_of(loss.item()))
            total += loss.item() * len(rows)
        return total / count

    def batch(self, rows: torch.Tensor) -> torch.Tensor:
        """One step of the optimiser; the loss before it, a scalar."""
        recipe, data = self.recipe, self.dataset
        images = normalise(data.train.batch(rows), data.mean, data.std)
        images = augment(images, self.generator, recipe.crop, recipe.flip)
        x = images.contiguous(memory_format=torch.channels_last).to(self.device)
        labels = data.train.labels[rows].to(self.device)
        with self._precision():
            loss = self.loss(self.network, x, labels)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.step()
        self.step += 1
        if self.average is not None:
            self.average.update(self.network)
        return loss.detach()

    def rate(self) -> float:
        """The learning rate of the step to come."""
        return self.recipe.learning_rate(self.step, self.steps, self.steps_per_epoch)

    @property
    def counting(self) -> Average | None:
        """The average that counts by now in place of the network's own weights, if one does."""
        ended = self.step >= self.steps
        return None if ended and self.recipe.average is None else self.average

    def averaged(self) -> AbstractContextManager[None]:
        """Inside, the network has the weights that count."""
        average = self.counting
        return nullcontext() if average is None else average.applied(self.network)

    def state(self) -> dict[str, Any]:
        """Everything that decides the steps to come, as tensors and numbers; `load` takes it."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": None if self.average is None else self.average.state(),
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
        }
        if self.device != "cpu":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken from a training of the same network and recipe."""
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            self.average.load(state["average"], self.network)
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch"])
        if self.device != "cpu":
            torch.cuda.set_rng_state(state["cuda"], self.device)

    def _precision(self) -> AbstractContextManager[object]:
        if not self.sixteen:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for torch inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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


def set_dropout(network: nn.Module, probability: float) -> None:
    """Give every Dropout module of the network this probability."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
