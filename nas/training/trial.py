"""A trial as values: what to train goes to any process as JSON, what was found comes back."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.data.dataset import Dataset, DataSpec
from nas.data.fields import checked
from nas.training import trial_checkpoint
from nas.training.recipe import Recipe
from nas.training.trial_checkpoint import TrialCheckpoint

if TYPE_CHECKING:
    from nas.measurement import HeldOut

# The loss of each epoch so far, and what to go on from; None where no epoch is left.
OnEpoch = Callable[[tuple[float, ...], bytes | None], None]


@dataclass(frozen=True, slots=True)
class TrialJob:
    """One network to train. architecture: what `Architecture.to_json` gives.

    checkpoint: train in less memory and more time, as `StagedNetwork` says. until: the epoch after
    which it is judged and left; None is the last of the recipe.
    """

    space: str
    version: int
    architecture: Mapping[str, Any]
    data: DataSpec
    recipe: Recipe
    seed: int
    number: int
    checkpoint: bool = False
    until: int | None = None

    @property
    def digest(self) -> str:
        """What its weights after so many epochs depend on, as 64 hexadecimal digits."""
        terms = {k: v for k, v in self.to_json().items() if k not in ("number", "until")}
        return hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()

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
            "until": self.until,
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

    epochs: reached so far. losses: mean training loss per image of each. left: from which it goes
    on to more epochs; None where the recipe has no more. peak: bytes of memory that it took, None
    where that cannot be known.
    """

    number: int
    held_out: "HeldOut"
    seconds: float
    epochs: int
    weights: bytes
    losses: tuple[float, ...] = ()
    left: bytes | None = None
    peak: int | None = None


def run(
    job: TrialJob,
    pause: Callable[[], AbstractContextManager[object]] = nullcontext,
    on_epoch: OnEpoch = lambda losses, left: None,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
    begun: bytes | None = None,
) -> TrialOutcome:
    """Build, train and judge the network of `job`; a pure function of it, the seconds apart.

    on_epoch: told after each. begun: what it told then; the result is the same, the epochs before
    are not trained again. Where it is damaged or of another training, they are. device: "cpu" or
    "cuda", where it trains; only on a CPU is the result the same bit for bit.

    Raises:
        UserError, SpaceError: the data or the architecture is not what it should be.
        TrainingDiverged: the loss or an exit's answer is no finite number.
    """
    from nas.plugins import space as named
    from nas.training.evaluate import evaluate
    from nas.training.memory_peak import Peak
    from nas.training.train import train
    from nas.training.weights import to_bytes

    dataset = cached(job.data)
    peak = Peak(device)
    space = named(job.space)
    architecture = space.from_json(job.architecture)
    assert (architecture.space, architecture.version) == (job.space, job.version)
    network = space.build(
        architecture, dataset.image, len(dataset.classes), job.seed, job.checkpoint
    )
    found, left = _begun(job, begun)

    def ended(checkpoint: TrialCheckpoint) -> None:
        nonlocal left
        more = checkpoint.epochs < job.recipe.epochs
        left = trial_checkpoint.to_bytes(job, checkpoint) if more else None
        on_epoch(checkpoint.losses, left)

    trained = train(
        network, dataset, job.recipe, job.seed, pause, ended, device, clock,
        begun=found, until=job.until,
    )  # fmt: skip
    start = clock()
    held_out = evaluate(network, dataset.held_out, dataset.mean, dataset.std, pause, device)
    return TrialOutcome(
        job.number,
        held_out,
        trained.seconds + clock() - start,
        len(trained.losses),
        to_bytes(network),
        trained.losses,
        left,
        peak.bytes,
    )


def _begun(job: TrialJob, data: bytes | None) -> tuple[TrialCheckpoint | None, bytes | None]:
    """Where to go on, and the same as bytes; nothing where it cannot be used."""
    if data is None:
        return None, None
    try:
        return trial_checkpoint.from_bytes(job, data), data
    except trial_checkpoint.Unusable:
        return None, None


def cached(spec: DataSpec, say: Callable[[str], None] = lambda line: None) -> Dataset:
    """`load(spec, say)`, once in a process: a worker trains many networks on the same images."""
    from nas.data.load import load

    found = _loaded.get(spec)
    if found is None:
        _loaded.clear()  # before the next: both together may not fit
        found = _loaded[spec] = load(spec, say)
    return found


_loaded: dict[DataSpec, Dataset] = {}
