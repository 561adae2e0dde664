"""A trial as values: what to train goes to any process as JSON, what was found comes back."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nas.data.dataset import Dataset, DataSpec
from nas.data.fields import checked
from nas.training.recipe import Recipe

if TYPE_CHECKING:
    from nas.measurement import HeldOut


@dataclass(frozen=True, slots=True)
class TrialJob:
    """One network to train. architecture: what `Architecture.to_json` gives.

    checkpoint: train in less memory and more time, as `StagedNetwork` says.
    """

    space: str
    version: int
    architecture: Mapping[str, Any]
    data: DataSpec
    recipe: Recipe
    seed: int
    number: int
    checkpoint: bool = False

    def to_json(self) -> dict[str, Any]:
        """Only objects that JSON has."""
        return {
            "space": self.space,
            "version": self.version,
            "architecture": dict(self.architecture),
            "data": self.data.to_json(),
            "recipe": self.recipe.to_json(),
            "seed": self.seed,
            "number": self.number,
            "checkpoint": self.checkpoint,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "TrialJob":
        """The job that `to_json` wrote; UserError on an unknown or missing key."""
        known = checked(cls, data, "trial")
        known["data"] = DataSpec.from_json(known["data"])
        known["recipe"] = Recipe.from_json(known["recipe"])
        return cls(**known)


@dataclass(frozen=True, eq=False, slots=True)
class TrialOutcome:
    """What training found out. seconds: of training and held-out evaluation together.

    losses: mean training loss per image of each epoch.
    """

    number: int
    held_out: "HeldOut"
    seconds: float
    epochs: int
    weights: bytes
    losses: tuple[float, ...] = ()


def run(
    job: TrialJob,
    pause: Callable[[], AbstractContextManager[object]] = nullcontext,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
) -> TrialOutcome:
    """Build, train and judge the network of `job`; a pure function of it, the seconds apart.

    device: "cpu" or "cuda", where it trains; only on a CPU is the result the same bit for bit.

    Raises:
        UserError, SpaceError: the data or the architecture is not what it should be.
        TrainingDiverged: the loss or an exit's answer is no finite number.
    """
    from nas.plugins import space as named
    from nas.training.evaluate import evaluate
    from nas.training.train import train
    from nas.training.weights import to_bytes

    dataset = cached(job.data)
    space = named(job.space)
    architecture = space.from_json(job.architecture)
    assert (architecture.space, architecture.version) == (job.space, job.version)
    network = space.build(
        architecture, dataset.image, len(dataset.classes), job.seed, job.checkpoint
    )
    start = clock()
    trained = train(network, dataset, job.recipe, job.seed, pause, on_epoch, device, clock)
    held_out = evaluate(network, dataset.held_out, dataset.mean, dataset.std, pause, device)
    return TrialOutcome(
        job.number,
        held_out,
        clock() - start,
        job.recipe.epochs,
        to_bytes(network),
        trained.losses,
    )


@lru_cache(maxsize=1)
def cached(spec: DataSpec) -> Dataset:
    """`load(spec)`, once in a process: a worker trains many networks on the same images."""
    from nas.data.load import load

    return load(spec)
