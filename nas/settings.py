"""Every option of one search, as given and as resolved; the schema of `search.yaml`."""

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from nas import controller_options
from nas.errors import UserError
from nas.quantities import count, duration_s, latency_ms
from nas.rewards import SOFT_W, Risk

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from controllers.protocols import Cost
    from nas.data.dataset import DataSpec
    from nas.rungs import Rungs
    from nas.training.recipe import Recipe
    from search_spaces.space import SearchSpace

SCHEMA_VERSION: Final = 1
SLOWEST = 5.0  # times the target: what is slower is not worth the time that its training takes
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _optional(parse: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value is None else parse(value))


Seconds = Annotated[
    float | None, _optional(duration_s), PlainSerializer(lambda v: v if v is None else f"{v!r}s")
]
Milliseconds = Annotated[
    float | None, _optional(latency_ms), PlainSerializer(lambda v: v if v is None else f"{v!r}ms")
]
ControllerOptions = Annotated[
    dict[str, controller_options.Option], BeforeValidator(controller_options.read)
]
Count = Annotated[int | None, _optional(count)]


def image_limit(value: Any) -> int | None:
    """A number of images, also as the command line gives it; None for all. Raises UserError."""
    if value in (None, "all"):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is int and value >= 2:
        return value
    raise UserError(f"{value!r} is not a number of training images (at least 2) or all")


Limit = Annotated[int | None, BeforeValidator(image_limit)]
SHORT = 5000  # a search compares networks by short trainings; `nas train` is for all of them


def cores() -> int:
    """How many cores this process may use: one training thread each."""
    return len(os.sched_getaffinity(0))


class SearchSettings(BaseModel):
    """All options of `nas search`; `search.yaml` holds them resolved, `--config` reads them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    schema_version: Literal[1] = SCHEMA_VERSION
    space: str = "msd"
    space_version: int | None = None  # None: the one installed
    controller: str = "surrogate"
    controller_options: ControllerOptions = Field(default_factory=dict)
    start: str = "none"  # or published, or names and config files joined by commas
    trials: int = Field(24, ge=1)
    max_time: Seconds = None  # no new trial starts after it
    trial_timeout: Seconds = None  # of one attempt at a trial
    patience: int | None = Field(None, ge=1)  # trials in a row without progress, then it stops
    fidelity: Literal["full", "asha"] = "full"
    grace: int = Field(1, ge=1)  # epochs of the first rung
    reduction: int = Field(3, ge=2)  # of so many networks one goes on to the next rung
    seed: int = Field(0, ge=0)

    data: str = "digits"
    data_root: str | None = None
    image: int | None = None
    limit: Limit = SHORT  # training images, every class in proportion; None ("all"): all

    # What the recipe of a trial says is kept where these are None; it checks their ranges.
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    label_smoothing: float | None = None
    flip: bool | None = None
    crop: int | None = None
    # auto: what a short test of this machine finds faster, once, when the search begins.
    precision: Literal["auto", "float32", "bfloat16-dense", "bfloat16"] = "auto"
    checkpoint: bool = False  # less memory, more time, the same networks

    objective: str = "reward"
    target_latency: Milliseconds = None  # None: found from random architectures
    max_latency: Milliseconds = None  # slower last exits are not trained; None: 5 times the target
    max_parameters: Count = None
    max_macs: Count = None  # to the last exit
    w: float | None = Field(None, le=0)  # None: -0.07, or the hard exponents
    hard: bool = False
    device: str = "cpu"
    runtime: str = "torch"
    latency_model: str = "auto"  # or none (measure every network), or a file
    risk: Risk = "mean"  # which latency is weighed

    executor: Literal["ray", "inline"] = "ray"
    workers: int = Field(default_factory=cores, ge=1)
    gpus_per_trial: float = Field(0.0, ge=0)
    ray_address: str | None = None
    storage: str | None = None
    name: str | None = None
    out: str = "results"

    @model_validator(mode="after")
    def _together(self) -> "SearchSettings":
        if self.hard and self.w is not None:
            raise UserError("w and hard exclude each other: hard means alpha 0, beta -1")
        far = self.device.startswith("ray:")
        if self.ray_address is not None and self.executor != "ray" and not far:
            raise UserError("ray_address needs executor ray, or a device ray:NAME")
        if far and self.executor == "ray" and self.ray_address is None:
            raise UserError(f"device {self.device!r} needs ray_address, the Ray its node joined")
        if self.name is not None and not NAME.fullmatch(self.name):
            raise UserError(
                f"name {self.name!r} is not a run name: letters, digits, '.', '_' and '-', "
                "at most 64, starting with a letter or digit"
            )
        return self

    @property
    def soft_w(self) -> float:
        """The exponent of the soft reward; meaningless when `hard`."""
        return SOFT_W if self.w is None else self.w

    def sampler(self, space: "SearchSpace", cost: "Cost | None" = None) -> "BaseSampler":
        """The controller of this search. Raises UserError and ControllerError."""
        from nas import plugins

        options = self.controller_options
        return plugins.controller(self.controller, space, cost, self.seed, **options)

    def data_spec(self) -> "DataSpec":
        """Which images, found from any working directory."""
        from nas.data.dataset import DataSpec

        return DataSpec(self.data, self.image, self.data_root, limit=self.limit).absolute()

    def recipe(self, image: tuple[int, int, int], count: int) -> "Recipe":
        """How a trial trains on `count` images (channels, height, width). Raises UserError."""
        from nas.training.recipe import short_recipe

        given = {name: getattr(self, name) for name in RECIPE}
        asked = {name: value for name, value in given.items() if value not in (None, "auto")}
        return dataclasses.replace(short_recipe(image, self.epochs, count), **asked)

    def rungs(self, epochs: int) -> "Rungs":
        """Where networks are compared on their way to so many epochs. Raises UserError."""
        from nas.rungs import Rungs

        if self.fidelity == "full":
            return Rungs.full(epochs)
        return Rungs.asha(epochs, self.grace, self.reduction)

    def to_yaml(self) -> str:
        """The text of `search.yaml`; `load` gives the same settings back."""
        import yaml

        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


RECIPE = (
    "epochs",
    "batch_size",
    "lr",
    "momentum",
    "weight_decay",
    "label_smoothing",
    "flip",
    "crop",
    "precision",
)


def parse(options: Mapping[str, Any], where: str = "search") -> SearchSettings:
    """Settings from a mapping; raises UserError with one line that names the first bad option."""
    try:
        return SearchSettings.model_validate(dict(options))
    except ValidationError as error:
        raise UserError(f"{where}: {_first(error)}") from None


def load(path: Path) -> dict[str, Any]:
    """The options in a YAML file of this schema, checked; UserError names the file and the key."""
    from nas import documents

    options = documents.read(path)
    version = options.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise UserError(
            f"{path}: schema version {version!r}, this nas reads {SCHEMA_VERSION}; upgrade nas"
        )
    parse(options, str(path))
    return options


def _first(error: ValidationError) -> str:
    """One line about the first thing wrong."""
    first = error.errors()[0]
    option = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown option {option!r}; options are {', '.join(SearchSettings.model_fields)}"
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, UserError):
        return f"{option.replace('_', ' ')} {cause}" if option else str(cause)
    return f"{option} {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
