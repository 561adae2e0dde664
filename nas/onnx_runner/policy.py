"""What ``policy.json`` of an export says: the stages, when to leave, how images are prepared."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .errors import InputError

POLICY = "policy.json"
SCHEMA_VERSION = 1
SIZE_LIMIT = 512 * 1024  # bytes; class names fill a config of half of that at most
LARGEST = 4096  # channels and pixels of a side; more would take all memory

Value = TypeVar("Value", int, float, str)


@dataclass(frozen=True, slots=True)
class StageFile:
    """One ONNX file: the tensors it takes, those it adds to them, and which are the logits."""

    file: str
    inputs: tuple[str, ...]
    logits: str
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """An image leaves at the first exit whose confidence is at least that exit's threshold.

    image: channels, height, width. mean, std: per channel, at 0..1. thresholds, temperatures: one
    an exit.
    """

    image: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    thresholds: tuple[float, ...]
    temperatures: tuple[float, ...]
    stages: tuple[StageFile, ...]


def read(folder: Path) -> Policy:
    """The policy of an export.

    Raises InputError where the file is missing or damaged, or its parts do not fit each other.
    """
    path = folder / POLICY
    try:
        with path.open("rb") as file:
            text = file.read(SIZE_LIMIT + 1)
        if len(text) > SIZE_LIMIT:
            raise InputError(f"{path}: larger than {SIZE_LIMIT // 1024} KiB, no export's is")
        data = json.loads(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON ({error})") from None
    try:
        policy = _policy(data)
    except (KeyError, TypeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: {what}; is it an export's?") from None
    for fault in _faults(data, policy):
        raise InputError(f"{path}: {fault}")
    return policy


def _policy(data: dict[str, Any]) -> Policy:
    prepared, exits = data["preprocessing"], data["exits"]
    channels, height, width = _listed(data["image"], int, 3)
    return Policy(
        image=(channels, height, width),
        classes=_listed(data["classes"], str),
        mean=_listed(prepared["mean"], float),
        std=_listed(prepared["std"], float),
        thresholds=_listed(exits["thresholds"], float),
        temperatures=_listed(exits["temperatures"], float),
        stages=tuple(
            StageFile(
                file=str(stage["file"]),
                inputs=_listed(stage["inputs"], str),
                logits=str(stage["logits"]),
                outputs=_listed(stage["outputs"], str),
            )
            for stage in data["stages"]
        ),
    )


def _listed(values: Any, kind: type[Value], count: int | None = None) -> tuple[Value, ...]:
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(values, list) or not all(type(each) in kinds for each in values):
        raise TypeError(f"{values!r} is no list of {kind.__name__}")
    if count is not None and len(values) != count:
        raise TypeError(f"{values!r} has not {count} values")
    return tuple(kind(each) for each in values)


def _faults(data: dict[str, Any], policy: Policy) -> Iterator[str]:
    if (version := data.get("schema_version")) != SCHEMA_VERSION:
        yield f"schema version {version}; this runner reads {SCHEMA_VERSION}"
    count = len(policy.stages)
    for what in ("thresholds", "temperatures"):
        if (given := len(getattr(policy, what))) != count:
            yield f"{given} {what} for {count} stages"
    if not count or policy.thresholds[-1] != 0.0:
        yield "the last threshold must be 0.0: everybody has left there"
    if min(policy.temperatures) <= 0 or not all(each >= 0 for each in policy.thresholds):
        yield "temperatures must be above 0 and thresholds not below"
    if not all(1 <= size <= LARGEST for size in policy.image):
        yield f"image {policy.image}: each must be 1 to {LARGEST}"
    for stage in policy.stages:
        if Path(stage.file).name != stage.file or not stage.file.endswith(".onnx"):
            yield f"stage file {stage.file!r}: must be the name of an .onnx file in this folder"
    if not len(policy.mean) == len(policy.std) == policy.image[0]:
        yield f"mean and std need one value for each of the {policy.image[0]} channels"
