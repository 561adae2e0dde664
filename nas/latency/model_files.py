"""Latency models as files: where they are written, and the device that they are compared with."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import UserError
from nas.latency import devices

if TYPE_CHECKING:
    from latency.bench import Batch, Bench, Say
    from latency.model.model import LatencyModel
    from latency.source import LatencySource

SUFFIX = ".json"
SAMPLES = ".samples.parquet"
ROUNDS = 6
"""Of the look at a device before a model is fitted: enough to see whether it is busy."""

_HERE = ("cpu", "cuda")
"""Kinds of device that every host has its own of: a model of one says nothing of another's."""


def samples_beside(path: Path) -> Path:
    """Return where the raw samples of a model are."""
    return path.with_suffix(SAMPLES)


def refuse_place(path: Path, force: bool) -> None:
    """Raise UserError where no model can be written, or one is there and ``force`` is not given."""
    if path.suffix != SUFFIX:
        raise UserError(f"{path}: the name of a latency model ends in {SUFFIX}")
    if not path.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}")
    for each in (path, samples_beside(path)):
        if each.exists() and not (force and each.is_file()):
            raise UserError(f"{each} exists; --force replaces it, or choose another -o")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{path} cannot be written: no right to write in {path.parent}")


def write(path: Path, model: "LatencyModel", names: Sequence[str], batch: "Batch") -> None:
    """Write a model and its samples; each is there whole or not at all, the model last.

    Raises UserError where they cannot be written.
    """
    from latency import samples
    from latency.model import document

    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            made = Path(folder, path.name)
            samples.write(samples_beside(made), names, batch)
            document.save(model, made)
            samples_beside(made).replace(samples_beside(path))
            made.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error})") from None


def refuse_busy(bench: "Bench", seed: int, say: "Say") -> None:
    """Raise UserError where something else keeps the device busy now."""
    from dataclasses import replace

    from latency import canary

    protocol = replace(bench.protocol, rounds=ROUNDS, most_rounds=ROUNDS)
    found = bench.measure([canary.piece()], seed, protocol, say)
    refuse_restless(bench, found.facts)


def refuse_restless(bench: "Bench", facts: dict[str, Any]) -> None:
    """Raise UserError where something else kept the device busy while it measured."""
    if facts.get("busy"):
        raise UserError(
            f"{bench.name} on {bench.device} is busy ({told(facts)}): "
            "stop what else runs there, or leave out --refuse-busy"
        )


def told(facts: dict[str, Any]) -> str:
    """Return in words what the canary of a measurement saw."""
    from latency.canary import BUSY

    restless = facts.get("restlessness")
    if restless is None:
        return "no canary was timed"
    return f"the canary's median is {restless:.2f} times its floor, quiet is up to {BUSY:g}"


@contextlib.contextmanager
def source(
    path: Path | None,
    runtime: str | None = None,
    device: str | None = None,
    ray_address: str | None = None,
) -> "Iterator[LatencySource]":
    """Have the model at ``path``, or where it is None what measures (torch on cpu by default)."""
    if path is not None:
        with opened(path, runtime, device, ray_address) as model:
            yield model
        return
    with devices.opened(runtime or "torch", device or "cpu", ray_address) as measuring:
        yield measuring


@contextlib.contextmanager
def opened(
    path: Path,
    runtime: str | None = None,
    device: str | None = None,
    ray_address: str | None = None,
) -> "Iterator[LatencyModel]":
    """Have a model to predict with, after a comparison with the device it is used for.

    ``runtime`` and ``device`` are the model's own by default. A model of a phone, a board or a
    Ray device is compared with it only where ``device`` names it: predicting needs none of them.
    Raises LatencyError, naming the difference, for a model of another device.
    """
    from latency.model import document

    model = document.load(path)
    if device is None and ray_address is None and not _here(model):
        if runtime not in (None, model.name):
            raise UserError(f"{path} is a model of runtime {model.name!r}, not {runtime!r}")
        yield model
        return
    with same_bench(model, path, runtime, device, ray_address):
        yield model


@contextlib.contextmanager
def same_bench(
    model: "LatencyModel",
    path: Path,
    runtime: str | None = None,
    device: str | None = None,
    ray_address: str | None = None,
) -> "Iterator[Bench]":
    """Have the bench that a model was fitted on, and close it afterwards.

    Raises LatencyError, naming the difference, where it is another one.
    """
    from latency.model import document

    if device is None and not _here(model) and not model.device.startswith("ray:"):
        raise UserError(
            f"{path} is a model of device {model.device!r}: give --device and its device file"
        )
    with bench(runtime or model.name, device or model.device, ray_address) as found:
        document.refuse_other_device(model, found, str(path))
        yield found


@contextlib.contextmanager
def bench(
    runtime: str,
    device: str,
    ray_address: str | None,
    check: Callable[[], None] = lambda: None,
) -> "Iterator[Bench]":
    """Have the bench of a runtime on a device, and close it afterwards."""
    found = devices.bench(runtime, device, ray_address, check)
    try:
        yield found
    finally:
        if hasattr(found, "close"):
            found.close()


def _here(model: "LatencyModel") -> bool:
    return model.device.partition(":")[0] in _HERE
