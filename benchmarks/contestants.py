"""Networks side by side: trained alike, judged alike, as units of an experiment."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.units import Facts, Unit
from nas.data.dataset import Dataset, DataSpec, Split
from nas.training.recipe import Recipe
from nas.training.trial_checkpoint import TrialCheckpoint
from search_spaces.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Training:
    """How every contestant is trained: on which images, and how."""

    data: DataSpec
    recipe: Recipe

    def to_json(self) -> dict[str, Any]:
        """What decides the weights besides architecture and seed; not where the files lie."""
        spec = self.data.to_json() | {"source": Path(self.data.source).name, "root": None}
        return {"data": spec, "recipe": self.recipe.to_json()}


@dataclass(frozen=True, slots=True)
class Contestant:
    """A network under a name of this experiment."""

    name: str
    architecture: Architecture


def training_unit(contestant: Contestant, training: Training, seed: int) -> Unit:
    """Train a network with a seed; keep how sure and right its exits are on two sets.

    The facts hold the counts of the network and the accuracy of each exit on the test images; the
    files NAME-held-out.npz and NAME-test.npz what thresholds are found on and judged with.
    """
    name = f"{contestant.name}-seed{seed}"
    settings = training.to_json() | {
        "architecture": contestant.architecture.to_json(),
        "seed": seed,
    }

    def work(folder: Path) -> Facts:
        return _train(contestant, training, seed, folder / name)

    return Unit(name, settings, work)


def _train(contestant: Contestant, training: Training, seed: int, stem: Path) -> Facts:
    from nas.networks import build
    from nas.training.evaluate import evaluate
    from nas.training.train import train
    from search_spaces.operators import costs

    dataset, test = images(training.data)
    network = build(contestant.architecture, dataset.image, len(dataset.classes), seed)
    trained = train(network, dataset, training.recipe, seed, on_epoch=_tell)
    judged = {}
    for part, split in (("held-out", dataset.held_out), ("test", test)):
        judged[part] = evaluate(network, split, dataset.mean, dataset.std)
        judged[part].save(stem.with_name(f"{stem.name}-{part}.npz"))
    counted = costs(network.graph)
    return {
        "data": f"{dataset.name} {dataset.note}".strip(),
        "images": {"train": len(dataset.train), "held_out": len(dataset.held_out)},
        "parameters": counted.parameters,
        "exit_macs": list(counted.lazy_macs),
        "losses": list(trained.losses),
        "seconds": trained.seconds,
        "test_accuracy": judged["test"].correct.mean(axis=0).tolist(),
    }


def latency_unit(contestant: Contestant, image: tuple[int, int, int], classes: int) -> Unit:
    """Measure the exits of a network in ms; it needs an idle machine and says how busy it was."""
    settings = {
        "architecture": contestant.architecture.to_json(),
        "image": list(image),
        "classes": classes,
    }

    def work(_folder: Path) -> Facts:
        from nas import plugins
        from nas.description import describe

        source = plugins.runtime("torch")
        found = describe(contestant.architecture, image, classes, source)
        return {
            "exit_latency_ms": [each.latency_ms for each in found.exits],
            "conditions": found.latency_conditions,
        }

    return Unit(f"{contestant.name}-latency", settings, work)


@lru_cache(maxsize=1)
def images(spec: DataSpec) -> tuple[Dataset, Split]:
    """The images of an experiment, its test images among them."""
    from nas.data.load import load, load_test

    return load(spec), load_test(replace(spec, limit=None))


def scaled(
    space: str, published: str, macs: str, image: tuple[int, int, int], classes: int
) -> Architecture:
    """A published network, its widths multiplied until it costs about `macs` (such as 27M)."""
    from nas import plugins
    from nas.scaling import scale

    network = plugins.space(space).published[published]
    return scale(network, target_macs=macs, image=image, classes=classes).architecture


def _tell(checkpoint: TrialCheckpoint) -> None:
    from nas.cli.output import say

    say(f"  epoch {checkpoint.epochs}: loss {checkpoint.losses[-1]:.3f}")
