"""Full trainings from start to end: options resolved, a folder made or opened, the loop driven.

train.yaml      all settings as resolved        checkpoint.pt   where it stands after each epoch
curves.csv      every epoch                     weights.safetensors   of the best epoch
config.yaml     the trained network, once it has ended
"""

import contextlib
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import atomic, plugins, train_settings
from nas.errors import UserError
from nas.inference.trained import CONFIG
from nas.interruption import Interruption, Stopped
from nas.progress import Progress
from nas.run import numbered, writing
from nas.train_settings import FILE, Asked, HookFile, TrainSettings
from nas.training_progress import Reporter

if TYPE_CHECKING:
    from latency.source import LatencySource
    from nas.config import Config
    from nas.data.dataset import Dataset, DataSpec
    from nas.measurement import Measurement
    from nas.training.full import Outcome
    from nas.training.hook import Hook
    from search_spaces.architecture import Architecture
    from search_spaces.network import StagedNetwork

FEW_BATCHES = 10


class TrainingInterrupted(KeyboardInterrupt):
    """The user stopped the training; the message says how to go on."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be trained. label: what the default name begins with.

    data: the images it was found with, side: their height and width, classes: how many they have;
    all where known.
    """

    architecture: "Architecture"
    label: str
    data: "DataSpec | None" = None
    side: int | None = None
    classes: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A training that has ended, and its folder. metric: by which the best epoch was chosen."""

    folder: Path
    settings: TrainSettings
    metric: str
    outcome: "Outcome"
    facts: "Measurement"
    config: "Config"


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """What a training is driven with, all of it known to be right."""

    settings: TrainSettings
    dataset: "Dataset"
    network: "StagedNetwork"
    hook: "Hook | None"
    source: "LatencySource"


def start(subject: Subject, asked: Asked, out: Path, progress: Progress) -> Finished:
    """Train an architecture in a new folder under `out`.

    Raises UserError, SpaceError or LatencyError for wrong input, before anything is written;
    TrainingInterrupted after Ctrl-C.
    """
    interruption = Interruption()
    with interruption.listening():
        if asked.name is not None:
            _refuse_existing(out, asked.name)
        settings, dataset = _resolved(subject, asked, out, progress)
        job = _job(settings, dataset)
        folder = _create(out, settings)
        progress.say(f"training {folder}, recipe {settings.recipe_name}")
        for line in _remarks(settings, dataset, asked.lr is None):
            progress.say(line)
        if subject.classes not in (None, len(dataset.classes)):
            found = f"{len(dataset.classes)} classes of {dataset.name}"
            progress.say(f"{found}: {subject.label} was made for {subject.classes}")
        return _drive(folder, job, progress, interruption)


def resume(name: str, asked: Asked, out: Path, progress: Progress) -> Finished:
    """Go on with the training in a folder, or of a name under `out`.

    Raises UserError for another option than those of `train.yaml`, a hook that is not named again,
    a folder without a training, or one that is being driven; TrainingInterrupted after Ctrl-C.
    """
    from nas.training.trial import cached

    folder = opened(name, out)
    interruption = Interruption()
    with interruption.listening():
        settings = train_settings.load(folder)
        settings.refuse_other(asked)
        if settings.hook is not None and asked.hook is None:  # a folder may be somebody else's
            raise UserError(
                f"training {settings.name!r} runs code of yours: to go on, name it again with "
                f"--hook {settings.hook.path}"
            )
        dataset = cached(settings.data_spec(), progress.say)
        return _drive(folder, _job(settings, dataset), progress, interruption)


def opened(name: str, out: Path) -> Path:
    """The folder of a training. Raises UserError if there is none."""
    tried = (Path(name), out / name)
    for folder in tried:
        if (folder / FILE).is_file():
            return folder
    raise UserError(
        f"no training {name!r} (no {FILE} in {tried[0]} or {tried[1]}); "
        "--resume takes the name or folder of one"
    )


def _resolved(
    subject: Subject, asked: Asked, out: Path, progress: Progress
) -> tuple[TrainSettings, "Dataset"]:
    from nas import recipes
    from nas.training import hook as hooks
    from nas.training.trial import cached

    recipes.named(asked.recipe or "default")  # before images are read
    hook = None if asked.hook is None else hooks.load(Path(asked.hook))
    if hook is not None and hook.metric is not None and asked.metric is not None:
        raise UserError(f"--metric {asked.metric}: {hook.path} has a metric of its own; leave one")
    spec = asked.spec(subject.data, subject.side)
    dataset = cached(spec, progress.say)
    recipe = asked.trained_by(dataset.image)
    stem = f"{subject.label}-{Path(spec.source).stem or 'data'}-{asked.recipe or 'default'}"
    settings = train_settings.resolve(
        asked,
        asked.name or numbered(out, stem),
        subject.architecture.to_json(),
        data=spec.to_json(),
        recipe=recipe.to_json(),
        hook=hook and HookFile(path=str(hook.path), digest=hook.digest),
    )
    return settings, dataset


def _remarks(settings: TrainSettings, dataset: "Dataset", proportional: bool) -> Iterator[str]:
    """What a reader of the results must know, or may want to change."""
    from nas import recipes

    recipe, published = settings.parsed_recipe(), recipes.named(settings.recipe_name)
    if dataset.note:
        yield f"{dataset.name}: {dataset.note}"
    yield (
        f"{recipe.epochs} epochs on {len(dataset.train):,} images, judged on "
        f"{len(dataset.held_out):,} others"
    )
    if proportional and recipe.lr != published.lr:
        yield (
            f"learning rate {recipe.lr:g} for batches of {recipe.batch_size}, in proportion to the "
            f"recipe's {published.lr:g} for {published.batch_size}"
        )
    if len(dataset.train) < FEW_BATCHES * recipe.batch_size:
        yield (
            f"batches of {recipe.batch_size} make few steps an epoch; a smaller --batch-size may "
            "learn more"
        )


def _job(settings: TrainSettings, dataset: "Dataset") -> _Job:
    """Everything that can be wrong is looked at here, before anything is written."""
    from nas.networks import build
    from nas.training import hook as hooks
    from nas.training import metrics
    from nas.training.full import check_device
    from nas.training.losses import loss_of

    metrics.metric(settings.metric)
    check_device(settings.device)
    source = plugins.runtime(settings.runtime)
    architecture = plugins.space(settings.architecture["space"]).from_json(settings.architecture)
    classes = len(dataset.classes)
    network = build(architecture, dataset.image, classes, settings.seed, settings.checkpoint)
    hook = None if settings.hook is None else hooks.load(Path(settings.hook.path))
    if hook is not None and settings.hook is not None and hook.digest != settings.hook.digest:
        raise UserError(
            f"hook {hook.path} has changed since training {settings.name!r} began; "
            "restore it, or start a new training"
        )
    loss_of(network, settings.parsed_recipe(), None if hook is None else hook.loss)
    if hook is not None:
        hooks.try_out(hook, len(network.graph.exits), classes)
    return _Job(settings, dataset, network, hook, source)


def _refuse_existing(out: Path, name: str) -> None:
    if (out / name / FILE).exists():
        raise UserError(
            f"training {out / name} exists; go on with 'nas train {name} --resume' or choose "
            "another name"
        )
    if (out / name).exists():
        raise UserError(f"{out / name} exists and is not a training; choose another name")


def _create(out: Path, settings: TrainSettings) -> Path:
    _refuse_existing(out, settings.name)
    folder = out / settings.name
    with writing(folder):
        folder.mkdir(parents=True)
        atomic.write(folder / FILE, train_settings.dump(settings))
    return folder


def _drive(folder: Path, job: _Job, progress: Progress, interruption: Interruption) -> Finished:
    from nas.training.full import Listener, train_fully

    settings, recipe = job.settings, job.settings.parsed_recipe()
    reporter = Reporter(progress, recipe.epochs)
    listener = Listener(interruption.check, reporter.found, reporter.batch, reporter.epoch)
    with _driving(folder), writing(folder):
        try:
            outcome = train_fully(
                job.network,
                job.dataset,
                recipe,
                settings.seed,
                folder,
                metric=settings.metric,
                hook=job.hook,
                device=settings.device,
                torch_threads=settings.threads,
                listener=listener,
            )
            return _finish(folder, job, outcome)
        except Stopped:
            how = resume_command(folder, settings.hook)
            raise TrainingInterrupted(f"stopped; go on with: {how}") from None
        except UserError:
            _drop_empty(folder)
            raise
        finally:
            progress.close()


def _finish(folder: Path, job: _Job, outcome: "Outcome") -> Finished:
    from nas.config import save
    from nas.exports import trained
    from nas.training.weights import FILE as WEIGHTS

    facts = trained.measured(job.settings, job.dataset, outcome, job.source)
    config = trained.config_of(job.settings, job.dataset, facts, job.source, WEIGHTS)
    save(config, folder / CONFIG)
    own = job.hook is not None and job.hook.metric is not None
    metric = "own metric" if own else job.settings.metric
    return Finished(folder, job.settings, metric, outcome, facts, config)


def _drop_empty(folder: Path) -> None:
    """Remove a folder in which no epoch has ended: there is nothing to go on with."""
    if [path.name for path in folder.iterdir()] == [FILE]:
        (folder / FILE).unlink()
        folder.rmdir()


@contextlib.contextmanager
def _driving(folder: Path) -> Iterator[None]:
    """Holds the training for one driver; the kernel lets go when its holder dies.

    Raises UserError where another process drives it.
    """
    with (folder / FILE).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"training {folder} is being driven by another process") from None
        yield


def resume_command(folder: Path, hook: HookFile | None) -> str:
    """What to type to go on with a training."""
    name = folder.name if folder.parent == Path("results") else folder
    return f"nas train {name} --resume" + (f" --hook {hook.path}" if hook else "")


def summary(finished: Finished) -> dict[str, Any]:
    """What a training came to, for `--json`: accuracies are fractions of the held-out images."""
    best, config = finished.outcome.best, finished.config
    assert config.exits is not None and config.metrics is not None
    return {
        "training": finished.settings.name,
        "folder": str(finished.folder),
        "recipe": finished.settings.recipe_name,
        "epochs": len(finished.outcome.epochs),
        "best_epoch": best.epoch,
        "metric": {"name": finished.metric, "value": best.metric},
        "seconds": finished.outcome.seconds,
        "exits": [
            {"exit": k, "accuracy": accuracy, "latency_ms": ms, "macs": macs, "threshold": at}
            for k, (accuracy, ms, macs, at) in enumerate(
                zip(
                    best.accuracy,
                    finished.facts.exit_latency_ms,
                    finished.facts.exit_macs,
                    config.exits.thresholds,
                    strict=True,
                ),
                start=1,
            )
        ],
        "policy": {
            "found": config.exits.found,
            "accuracy": config.metrics.accuracy,
            "standard_error": config.metrics.standard_error,
            "latency_ms": config.metrics.latency_ms,
        },
    }
