"""One network of a run as a config that others can use."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.config import Config, Metrics, Preprocessing, Provenance, exits_of
from nas.documents import SUFFIXES
from nas.errors import UserError
from nas.record import TrialRecord

if TYPE_CHECKING:
    from nas.data.dataset import Dataset, DataSpec
    from nas.exits import PolicyScore
    from nas.measurement import Measurement
    from nas.run import Run

NAMED = ("nas-platform", "torch", "optuna")
"""The distributions whose versions a config records, beside Python's.

They are those of the process that exports; torch is the one that the run measured latency with,
where it did."""


def config_of(run: "Run", record: TrialRecord, seen: "PolicyScore | None" = None) -> Config:
    """Return the config of a trial with the exit policy of a score.

    Without one, the policy is the one that the run's objective gives the trial. Reads the run's
    data once, for the classes and the normalisation.

    Raises UserError where the trial is not complete, or the run's data are no longer there.
    """
    from nas.exits import restated
    from nas.training.trial import cached

    if record.state != "complete" or record.architecture is None or record.measurement is None:
        why = f" ({record.error})" if record.error else ""
        raise UserError(f"trial {record.trial} of run {run.name!r} is {record.state}{why}")
    dataset = cached(run.settings.data_spec())
    if seen is None:
        # A config states the latency itself, whichever end of its interval chose the policy.
        chosen = run.objective().view(record.measurement)
        seen = restated(chosen, record.measurement.exit_latency_ms)
    return Config.of(
        record.architecture.to_json(),
        image=dataset.image,
        classes=dataset.classes,
        preprocessing=preprocessing_of(dataset),
        exits=exits_of(seen),
        metrics=metrics_of(record.measurement, seen, run.latency),
        recipe=run.settings.recipe(dataset.image, len(dataset.train)).to_json(),
        provenance=provenance_of(
            run.name,
            record.trial,
            record.measurement.seed,
            dataset,
            run.settings.data_spec(),
            run.latency["conditions"],
        ),
    )


def destination(asked: str | None, name: str, force: bool) -> Path:
    """Return the file to write: the one asked for, or NAME.yaml in the folder asked for.

    A folder is what is one already, ends in "/" or has no suffix. Raises UserError for a suffix
    other than .yaml, .yml and .json, a file that exists, unless ``force``, and a missing folder.
    """
    if asked == "":
        raise UserError("'' is no file name; give a file (.yaml, .json) or a folder")
    path = Path(asked or ".")
    if path.is_dir() or not path.suffix or str(asked).endswith("/"):
        path /= f"{name}.yaml"
    elif path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: a config file ends in {', '.join(SUFFIXES)}; a folder in /")
    if path.is_dir() or (path.exists() and not force):
        raise UserError(f"{path} exists; give another name with -o, or --force to replace it")
    if not path.parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}")
    return path


def preprocessing_of(dataset: "Dataset") -> Preprocessing:
    """How an image becomes an input of a network that was trained on `dataset`."""
    channels, *size = dataset.image
    height, width = size
    return Preprocessing(
        resize=(height, width),
        crop=(height, width),
        colour="rgb" if channels == 3 else "grey",
        mean=dataset.mean,
        std=dataset.std,
    )


def metrics_of(measured: "Measurement", seen: "PolicyScore", latency: Mapping[str, Any]) -> Metrics:
    """What a network reaches; `latency` says by its device, runtime and conditions where."""
    return Metrics(
        accuracy=seen.accuracy,
        standard_error=seen.standard_error,
        latency_ms=seen.latency_ms,
        p95_ms=seen.p95_ms,
        worst_ms=seen.worst_ms,
        exit_latency_ms=measured.exit_latency_ms,
        exit_macs=measured.exit_macs,
        parameters=measured.parameters,
        device=latency["device"],
        runtime=latency["runtime"],
        conditions=latency["conditions"],
    )


def provenance_of(
    name: str,
    trial: int | None,
    seed: int,
    dataset: "Dataset",
    spec: "DataSpec",
    conditions: Mapping[str, Any],
) -> Provenance:
    """Where a network of the run or training `name` comes from; `conditions` of its latency."""
    data: dict[str, Any] = {"name": dataset.name, **spec.to_json()}
    if dataset.note:
        data["note"] = dataset.note
    versions = {"python": platform.python_version()} | {name: _version(name) for name in NAMED}
    versions |= {k: v for k, v in conditions.items() if k == "torch"}
    return Provenance(run=name, trial=trial, seed=seed, versions=versions, data=data)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # ours, run from a checkout that nobody installed
        return "not installed"
