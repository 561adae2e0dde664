"""The full training of a network: judged after every epoch, its best weights kept, resumable.

In its folder: `weights.safetensors` (of the best epoch), `curves.csv`, `checkpoint.pt`. Killed at
any moment, it goes on from its last whole epoch; on a CPU with one thread to the same weights, bit
for bit.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from latency.lane import Lane
from nas import atomic
from nas.data.dataset import Dataset
from nas.errors import UserError
from nas.training import checkpoint, curves, metrics, terms
from nas.training.checkpoint import Checkpoint
from nas.training.curves import Epoch
from nas.training.errors import TrainingDiverged
from nas.training.evaluate import answers
from nas.training.hook import Hook
from nas.training.recipe import Recipe
from nas.training.steps import Steps, threads
from nas.training.weights import FILE as WEIGHTS
from nas.training.weights import load_file, to_bytes
from search_spaces.network import StagedNetwork


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A trained network with the weights of its best epoch, on the CPU, in evaluation mode.

    logits: of every exit on the held-out images, float32 [images, exits, classes].
    """

    network: StagedNetwork
    best: Epoch
    epochs: tuple[Epoch, ...]
    logits: Tensor

    @property
    def seconds(self) -> float:
        """Of all epochs, those before a resume included."""
        return sum(epoch.seconds for epoch in self.epochs)


@dataclass(frozen=True, slots=True)
class Listener:
    """What a training tells, and asks before every batch.

    check: may raise to end the training there. found: the epochs that a checkpoint has, before it
    goes on. batch: (epoch, batch of it from 1, batches).
    """

    check: Callable[[], None] = lambda: None
    found: Callable[[tuple[Epoch, ...]], None] = lambda epochs: None
    batch: Callable[[int, int, int], None] = lambda epoch, batch, batches: None
    epoch: Callable[[Epoch], None] = lambda epoch: None


def train_fully(
    network: StagedNetwork,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    folder: Path,
    *,
    metric: str = "accuracy",
    hook: Hook | None = None,
    device: str = "cpu",
    torch_threads: int = 1,
    listener: Listener | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Outcome:
    """Train `network` in place on `dataset.train`, or go on where `folder` says it stopped.

    network: freshly built, the same one when it goes on. folder: made if missing. metric: of
    `metrics.METRICS`, unless the hook has one. device: cpu, or cuda (in bfloat16 where that is
    enough). Torch's own random generator is left as it was.

    Raises:
        UserError: the folder holds a training with other terms, the hook failed, no such metric,
            no such device, or the loss became no finite number (what is kept is said).
        OSError: the folder cannot be written.
    """
    check_device(device)
    folder.mkdir(parents=True, exist_ok=True)
    training = _Full(
        Steps(
            network,
            dataset,
            recipe,
            torch.Generator().manual_seed(seed),
            device,
            None if hook is None else hook.loss,
            mixed=True,
        ),
        folder,
        (hook and hook.metric) or metrics.metric(metric),
        terms.of(network, dataset, recipe, seed, metric, hook, device),
        listener or Listener(),
        torch_threads,
    )
    cuda = [] if device == "cpu" else [torch.device(device)]
    with threads(torch_threads), torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)  # for dropout inside the network
        return training.run(clock)


def check_device(device: str) -> None:
    """Refuse a device that is not there. Raises UserError."""
    if device == "cpu" or (device == "cuda" and torch.cuda.is_available()):
        return
    if device == "cuda":
        raise UserError("device 'cuda': this machine has no GPU that torch can use; use cpu")
    raise UserError(f"device {device!r}: must be cpu or cuda")


class _Full:
    """A training between its epochs."""

    def __init__(
        self,
        steps: Steps,
        folder: Path,
        metric: metrics.Metric,
        agreed: dict[str, Any],
        listener: Listener,
        torch_threads: int,
    ) -> None:
        self.steps, self.folder, self.metric, self.terms = steps, folder, metric, agreed
        self.listener, self.threads = listener, torch_threads
        self._lane = Lane()  # of this host: what measures on it must not be disturbed
        self.epochs: list[Epoch] = []
        self.best = 0

    def run(self, clock: Callable[[], float]) -> Outcome:
        """Every epoch that is still to come."""
        self._go_on()
        for number in range(len(self.epochs) + 1, self.steps.recipe.epochs + 1):
            try:
                self._epoch(number, clock)
            except TrainingDiverged:
                raise UserError(self._diverged(number)) from None
        return self._outcome()

    def _epoch(self, number: int, clock: Callable[[], float]) -> None:
        start, lr = clock(), self.steps.rate()
        loss = self.steps.epoch(number, self._between(number))
        with self.steps.averaged():
            logits = self._answers()
            held_out = self.steps.dataset.held_out
            accuracy = (logits.argmax(dim=2) == held_out.labels[:, None]).double().mean(dim=0)
            metric = self.metric(logits.argmax(dim=2), held_out.labels, logits.shape[2])
            epoch = Epoch(
                number,
                lr,
                loss,
                _loss(logits, held_out.labels),
                tuple(accuracy.tolist()),
                metric,
                clock() - start,
            )
            self.epochs.append(epoch)
            if self.best == 0 or metric > self.epochs[self.best - 1].metric:
                self.best = number
                weights = to_bytes(self.steps.network)
        self._save()
        if self.best == number:
            atomic.write(self.folder / WEIGHTS, weights)
        self.listener.epoch(epoch)

    def _save(self) -> None:
        # The checkpoint comes first: with it alone, the rest can be written again.
        checkpoint.save(
            self.folder, Checkpoint(self.terms, self.steps.state(), tuple(self.epochs), self.best)
        )
        curves.write(self.folder, self.epochs)

    def _go_on(self) -> None:
        """Take over what the folder holds."""
        for name in (checkpoint.FILE, curves.FILE, WEIGHTS):
            for half in self.folder.glob(f".{name}.*"):  # of a write that was killed
                half.unlink()
        found = checkpoint.load(self.folder)
        if found is None:
            if (self.folder / WEIGHTS).exists():  # never before a checkpoint
                raise UserError(f"{self.folder}: cannot go on, {checkpoint.FILE} is gone")
            return
        terms.refuse_other(found.terms, self.terms, self.folder)
        try:
            self.steps.load(found.state)
        except checkpoint.DAMAGED as error:
            path = self.folder / checkpoint.FILE
            raise UserError(f"{path}: not of this training ({type(error).__name__})") from error
        self.epochs, self.best = list(found.epochs), found.best
        if self.best < len(self.epochs) and not (self.folder / WEIGHTS).is_file():
            path = self.folder / WEIGHTS
            raise UserError(f"{path} is gone: the weights of epoch {self.best} were there")
        self.listener.found(found.epochs)
        curves.write(self.folder, self.epochs)
        if self.best == len(self.epochs):  # killed, perhaps, before these were written
            with self.steps.averaged():
                atomic.write(self.folder / WEIGHTS, to_bytes(self.steps.network))

    def _between(self, number: int) -> Callable[[], Any]:
        batches = iter(range(1, self.steps.steps_per_epoch + 1))

        @contextmanager
        def pause() -> Iterator[None]:
            self.listener.check()
            with self._lane.training():
                yield
            self.listener.batch(number, next(batches), self.steps.steps_per_epoch)

        return pause

    def _answers(self) -> Tensor:
        steps, data = self.steps, self.steps.dataset

        @contextmanager
        def pause() -> Iterator[None]:
            self.listener.check()
            with self._lane.training():
                yield

        return answers(
            steps.network, data.held_out, data.mean, data.std, pause, steps.device, self.threads
        )

    def _outcome(self) -> Outcome:
        load_file(self.steps.network, self.folder / WEIGHTS)
        logits = self._answers()
        network = self.steps.network.to("cpu").eval()
        return Outcome(network, self.epochs[self.best - 1], tuple(self.epochs), logits)

    def _diverged(self, number: int) -> str:
        kept = (
            f"the checkpoint of epoch {number - 1} and the best weights, of epoch {self.best}, "
            "are kept"
            if self.best
            else "no epoch was finished"
        )
        lower = min(self.steps.recipe.lr / 10, 0.1)
        return (
            f"training diverged in epoch {number}: not a finite number; {kept}; "
            f"train anew with a smaller rate, such as --lr {lower:.3g}"
        )


def _loss(logits: Tensor, labels: Tensor) -> float:
    return sum(float(cross_entropy(each, labels)) for each in logits.unbind(dim=1))
