"""The exported config: one found network in a text file, with all that is needed to use it."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from latency.exchanged import SIZE_LIMIT
from nas import atomic
from nas.documents import read, validate
from nas.errors import UserError
from search_spaces.architecture import Architecture, Option

if TYPE_CHECKING:
    from nas.data.dataset import DataSpec
    from nas.exits import PolicyScore

SCHEMA_VERSION = 1

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Preprocessing(_Part):
    """How an image becomes the network's input: resized, cropped, scaled to 0..1, normalised.

    `resize` is (height, width) in pixels or None for images that have the size already, `crop`
    the central (height, width) taken after it or None; mean and standard deviation per channel.
    """

    resize: tuple[Positive, Positive] | None
    crop: tuple[Positive, Positive] | None = None
    colour: Literal["rgb", "grey"]
    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0)], ...]


class Exits(_Part):
    """The exit policy: an image leaves at the first exit as sure as its threshold.

    `temperatures`, one an exit, divide the logits before the softmax; None is 1 for all.
    """

    thresholds: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)]
    found: str
    temperatures: tuple[Annotated[float, Field(gt=0)], ...] | None = None

    @model_validator(mode="after")
    def _last_takes_all(self) -> Self:
        if self.thresholds[-1] != 0.0:
            raise ValueError("the last threshold must be 0.0, everybody has left there")
        if self.temperatures is not None and len(self.temperatures) != len(self.thresholds):
            raise ValueError(
                f"{len(self.temperatures)} temperatures for {len(self.thresholds)} thresholds"
            )
        return self


class Metrics(_Part):
    """What the network reached on the held-out images under `exits`, and on which device."""

    accuracy: Fraction
    standard_error: Annotated[float, Field(ge=0)]
    latency_ms: Milliseconds
    p95_ms: Milliseconds
    worst_ms: Milliseconds
    exit_latency_ms: tuple[Milliseconds, ...]
    exit_macs: tuple[Annotated[int, Field(ge=0)], ...]
    parameters: Annotated[int, Field(ge=0)]
    device: str
    runtime: str
    conditions: dict[str, Any] = Field(default_factory=dict)


class Provenance(_Part):
    """Where the network comes from: a trial of a search, or (no trial) a full training."""

    run: str
    trial: Annotated[int, Field(ge=0)] | None = None
    seed: int
    versions: dict[str, str]
    data: dict[str, Any]

    def data_spec(self) -> "DataSpec":
        """The images it was trained on. Raises UserError where `data` does not say so."""
        from nas.data.dataset import DataSpec

        names = {field.name for field in fields(DataSpec)}
        return DataSpec.from_json({k: v for k, v in self.data.items() if k in names})


class Config(_Part):
    """An architecture and, where it was exported from a run, everything known about it.

    `image` is (channels, height, width), `classes` the names in the order of the outputs,
    `weights` the name of a safetensors file in the config's own folder. Only the first four keys
    must be there, so that a hand-written architecture is a config too.
    """

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA_VERSION)]
    space: str
    version: int
    decisions: dict[str, Option]
    widened: tuple[str, ...] = ()
    image: tuple[Positive, Positive, Positive] | None = None
    classes: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    preprocessing: Preprocessing | None = None
    exits: Exits | None = None
    metrics: Metrics | None = None
    recipe: dict[str, Any] | None = None
    provenance: Provenance | None = None
    weights: Annotated[str, Field(pattern=r"^[^/\\]+\.safetensors$")] | None = None

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: every name must be different")
        if self.image is not None and self.preprocessing is not None:
            channels = {len(self.preprocessing.mean), len(self.preprocessing.std), self.image[0]}
            if len(channels) > 1:
                raise ValueError("preprocessing: mean and std need one value per image channel")
        exits = set()
        if self.exits is not None:
            exits |= {len(self.exits.thresholds)}
        if self.metrics is not None:
            exits |= {len(self.metrics.exit_latency_ms), len(self.metrics.exit_macs)}
        if len(exits) > 1:
            raise ValueError("exits: thresholds, latencies and MACs need one value per exit")
        return self

    @classmethod
    def of(cls, architecture: Mapping[str, Any], **parts: Any) -> Self:
        """Return the config of what `Architecture.to_json` gave, with other keys as `parts`."""
        return cls(
            schema_version=SCHEMA_VERSION,
            space=architecture["space"],
            version=architecture["version"],
            decisions=architecture["decisions"],
            widened=tuple(architecture.get("widened", ())),
            **parts,
        )

    def architecture(self) -> Architecture:
        """Return the network.

        Raises SpaceError for a choice outside the space, UserError if there is no such space.
        """
        from nas.plugins import space

        data: dict[str, Any] = {
            "space": self.space,
            "version": self.version,
            "decisions": self.decisions,
        }
        if self.widened:
            data["widened"] = list(self.widened)
        return space(self.space).from_json(data)


def exits_of(seen: "PolicyScore") -> Exits:
    """Return the policy of a score as a config states it."""
    return Exits(thresholds=seen.policy.thresholds, found=seen.policy.found)


def load(path: Path | str) -> Config:
    """Read a YAML or JSON config.

    Raises UserError, one line that names the file, for a file that is missing, too large, not a
    mapping, of a newer schema, or has an unknown or bad key.
    """
    path = Path(path)
    data = read(path)
    found = data.get("schema_version")
    # Before anything else: a newer schema may well have keys that are unknown here.
    if isinstance(found, int) and found > SCHEMA_VERSION:
        raise UserError(
            f"{path}: schema version {found} is newer than {SCHEMA_VERSION}, the newest that "
            "this nas reads; upgrade nas"
        )
    return validate(Config, data, str(path))


def save(config: Config, path: Path | str) -> None:
    """Write what `load` reads back, JSON where `path` ends in .json, else YAML; all or nothing.

    Raises UserError if the folder does not exist or cannot be written, or the text is too long.
    """
    path = Path(path)
    text = _json(config) if path.suffix.lower() == ".json" else to_yaml(config)
    if len(text) > SIZE_LIMIT:
        raise UserError(f"{path}: the config would be larger than {SIZE_LIMIT // 1024} KiB")
    try:
        atomic.write(path, text)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None


def _json(config: Config) -> bytes:
    return config.model_dump_json(exclude_none=True, indent=2).encode() + b"\n"


def to_yaml(config: Config) -> bytes:
    """Return the YAML that `save` writes."""
    given = json.loads(config.model_dump_json(exclude_none=True))
    text: bytes = yaml.dump(
        given, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=100, encoding="utf-8"
    )
    return text


def load_architecture(path: Path | str) -> Architecture:
    """Return the architecture in a config.

    Raises UserError as `load`, SpaceError as the space does.
    """
    return load(path).architecture()


class _PlainDumper(yaml.SafeDumper):
    """Lists of numbers on one line."""

    def represent_list(self, data: Any) -> yaml.SequenceNode:
        scalars = all(isinstance(item, int | float) for item in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=scalars)


_PlainDumper.add_representer(list, _PlainDumper.represent_list)
