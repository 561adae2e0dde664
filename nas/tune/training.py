"""A trial's training an epoch at a time, judged after each; no Ray.

Gone on with to its end it is the training of `nas.training.trial.run`, bit for bit.
"""

import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from latency.lane import Lane
from latency.source import LatencyEstimate, PerExit
from nas import atomic, plugins
from nas.errors import UserError
from nas.exits import PolicyScore
from nas.measurement import HeldOut, Measurement
from nas.settings import RECIPE
from nas.training.checkpoint import DAMAGED, FILE
from nas.training.evaluate import evaluate
from nas.training.steps import Steps, threads
from nas.training.trial import cached
from nas.tune.space import ARCHITECTURE
from nas.tune.task import REWARD, Task
from search_spaces.architecture import Architecture
from search_spaces.operators import Costs, costs

SEED = "seed"
"""Under this key a trial's configuration may have a seed of its own."""


class Training:
    """The network that a configuration describes, in training; `epoch` of `recipe.epochs` done.

    Raises UserError, SpaceError or LatencyError for a configuration that cannot be trained.
    """

    def __init__(
        self,
        task: Task,
        config: Mapping[str, Any],
        device: str = "cpu",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """device: "cpu" or "cuda", where it trains. clock: seconds."""
        self._task, self._device, self._clock = task, device, clock
        self._seed = int(config.get(SEED, task.seed))
        self._dataset, self.recipe = cached(task.data), task.trained_by(config)
        self.architecture = _architecture(task, config)
        self.epoch, self._seconds = 0, 0.0
        space = plugins.space(task.space)
        graph = space.blocks(self.architecture, task.image, task.classes)
        self._costs: Costs = costs(graph)
        with task.source() as source:
            self._latency: PerExit = tuple(source.estimate(graph, self._seed))
        network = space.build(
            self.architecture, task.image, task.classes, self._seed, task.checkpoint
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)  # for dropout inside the network
            self._random = torch.get_rng_state()
        generator = torch.Generator().manual_seed(self._seed)
        self._steps = Steps(network, self._dataset, self.recipe, generator, device, early=True)

    def go(self) -> dict[str, float]:
        """Train for an epoch; the metrics of the task. Raises TrainingDiverged."""
        start, lane = self._clock(), Lane().training
        with threads(1), self._own_random():
            loss = self._steps.epoch(self.epoch + 1, lane)
        self.epoch += 1
        data = self._dataset
        with self._steps.averaged():
            network = self._steps.network
            held_out = evaluate(network, data.held_out, data.mean, data.std, lane, self._device)
        self._seconds += self._clock() - start
        return self._told(loss, self._task.objective.view(self._measured(held_out)))

    def save(self, folder: Path) -> None:
        """Write `checkpoint.pt` into a folder: tensors, numbers and texts only. Raises OSError."""
        with self._own_random():
            state = self._steps.state()
        data = {
            "architecture": self.architecture.to_json(),
            "seed": self._seed,
            "epoch": self.epoch,
            "seconds": self._seconds,
            "latency": [asdict(estimate) for estimate in self._latency],
            "state": state,
        }
        buffer = io.BytesIO()
        torch.save(data, buffer)
        atomic.write(folder / FILE, buffer.getvalue())

    def load(self, folder: Path) -> None:
        """Go on where `save` was called, with the recipe of this configuration.

        Nothing in the file can run. Raises UserError for a file that is missing or damaged, and
        for one of another network.
        """
        path = folder / FILE
        try:
            data = torch.load(path, map_location="cpu", weights_only=True)
            theirs = plugins.space(self._task.space).from_json(data["architecture"])
            if theirs.key == self.architecture.key:
                self._take(data)
        except DAMAGED as error:
            reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
            raise UserError(f"{path}: not a checkpoint of this network ({reason})") from None
        if theirs.key != self.architecture.key:
            raise UserError(
                f"{path}: of network {theirs.key}, this trial is of {self.architecture.key}; "
                "leave the architecture out of what a scheduler changes in a trial under way"
            )

    def _take(self, data: Mapping[str, Any]) -> None:
        latency = tuple(LatencyEstimate(**estimate) for estimate in data["latency"])
        groups = self._steps.optimiser.param_groups
        asked = [{k: v for k, v in group.items() if k != "params"} for group in groups]
        with self._own_random():
            self._steps.load(data["state"])
        # A scheduler may have changed the recipe since: its optimiser and its lengths count.
        for group, values in zip(self._steps.optimiser.param_groups, asked, strict=True):
            group.update(values)
        self._steps.step = data["epoch"] * self._steps.steps_per_epoch
        self._seed, self._latency = data["seed"], latency
        self.epoch, self._seconds = data["epoch"], data["seconds"]

    def _measured(self, held_out: HeldOut) -> Measurement:
        return Measurement(
            exit_latency_ms=tuple(each.latency_ms for each in self._latency),
            exit_low_ms=tuple(each.low_ms for each in self._latency),
            exit_high_ms=tuple(each.high_ms for each in self._latency),
            exit_macs=tuple(self._costs.lazy_macs),
            parameters=self._costs.parameters,
            held_out=held_out,
            seconds=self._seconds,
            epochs=self.epoch,
            seed=self._seed,
        )

    def _told(self, loss: float, seen: PolicyScore) -> dict[str, float]:
        told = {
            "accuracy": seen.accuracy,
            "latency_ms": seen.latency_ms,
            "parameters": self._costs.parameters,
            "macs": self._costs.lazy_macs[-1],
            "loss": loss,
            "epoch": self.epoch,
            "epochs": self.recipe.epochs,
        }
        reward = self._task.objective.reward
        if reward is not None:
            told[REWARD] = reward(seen.accuracy, seen.latency_ms)
        return told

    @contextmanager
    def _own_random(self) -> Iterator[None]:
        """Torch's generator as this training left it; whose process it is gets its own back."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            yield
            self._random = torch.get_rng_state()


def _architecture(task: Task, config: Mapping[str, Any]) -> Architecture:
    """The network of a configuration. Raises UserError and SpaceError."""
    known = (ARCHITECTURE, SEED, *RECIPE)
    for name in config:
        # Names that begin with two underscores are Tune's own.
        if name not in known and not name.startswith("__"):
            raise plugins.unknown("configuration key", name, known)
    choices = config.get(ARCHITECTURE)
    if not isinstance(choices, Mapping):
        raise UserError(
            f"{ARCHITECTURE} {choices!r}: must be a mapping from decision to option, as "
            "nas.tune.Search and nas.tune.param_space give"
        )
    return plugins.space(task.space).architecture(choices)
