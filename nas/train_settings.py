"""Every option of one full training, as given and as resolved; the schema of `train.yaml`."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from nas import documents
from nas.errors import UserError
from nas.settings import NAME, cores, image_limit

if TYPE_CHECKING:
    from nas.data.dataset import DataSpec
    from nas.training.recipe import Recipe

FILE = "train.yaml"
DEFAULT_DATA = "digits"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user gave of the options of `nas train`; None is what was not given."""

    data: str | None = None
    data_root: str | None = None
    image: int | None = None
    limit: str | None = None
    recipe: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    distill: float | None = None
    exit_weights: str | None = None
    metric: str | None = None
    hook: str | None = None
    seed: int | None = None
    device: str | None = None
    runtime: str | None = None
    threads: int | None = None
    checkpoint: bool | None = None
    name: str | None = None

    def spec(self, known: "DataSpec | None" = None, side: int | None = None) -> "DataSpec":
        """The images: those asked for, else those `known` of the network, else the digits.

        side: of the images that the network was made for, in pixels, where known. All train images
        are used unless fewer are asked for: a search limits them, not this.
        """
        from nas.data.dataset import DataSpec

        if self.data is None and known is not None:
            spec = replace(known, limit=image_limit(self.limit))
        else:
            spec = DataSpec(self.data or DEFAULT_DATA, limit=image_limit(self.limit))
        image = self.image or spec.image or side
        return replace(spec, image=image, root=self.data_root or spec.root).absolute()

    def trained_by(self, image: tuple[int, int, int]) -> "Recipe":
        """The recipe for images (channels, height, width). Raises UserError."""
        from nas import recipes

        recipe = recipes.named(self.recipe or "default")
        recipe = recipes.suited(recipe, image, self.epochs, self.batch_size, self.lr)
        weights = None if self.exit_weights is None else _numbers(self.exit_weights)
        return replace(recipe, exit_weights=weights, distill=self.distill or 0.0)


class HookFile(BaseModel):
    """A hook, and the SHA-256 of its text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    digest: str


class TrainSettings(BaseModel):
    """What `train.yaml` holds: with the data, it alone repeats the training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    architecture: dict[str, Any]
    data: dict[str, Any]
    recipe_name: str
    recipe: dict[str, Any]
    metric: str
    hook: HookFile | None
    seed: int = Field(ge=0)
    device: str
    runtime: str
    threads: int = Field(ge=1)
    checkpoint: bool

    def data_spec(self) -> "DataSpec":
        """Which images. Raises UserError."""
        from nas.data.dataset import DataSpec

        return DataSpec.from_json(self.data)

    def parsed_recipe(self) -> "Recipe":
        """How it trains. Raises UserError."""
        from nas.training.recipe import Recipe

        return Recipe.from_json(self.recipe)

    def refuse_other(self, asked: Asked) -> None:
        """Raises UserError for an option that differs from what the training has."""
        known = self._options()
        for option, value in asdict(_comparable(asked)).items():
            if value is not None and value != known[option]:
                told = option.replace("_", "-")
                raise UserError(
                    f"{told} {value}: training {self.name!r} has {known[option]}; it goes on with "
                    "its own settings, others need a new training"
                )

    def _options(self) -> dict[str, Any]:
        """The options as `Asked` would have them."""
        recipe, data = self.recipe, self.data
        weights = recipe.get("exit_weights")
        return {
            "data": data.get("source"),
            "data_root": data.get("root"),
            "image": data.get("image"),
            "limit": str(data.get("limit") or "all"),
            "recipe": self.recipe_name,
            **{name: recipe.get(name) for name in ("epochs", "batch_size", "lr", "distill")},
            "exit_weights": weights and _text(weights),
            "hook": self.hook and self.hook.path,
            **{
                name: getattr(self, name)
                for name in ("metric", "seed", "device", "runtime", "threads", "checkpoint", "name")
            },
        }


def _comparable(asked: Asked) -> Asked:
    """The same, paths absolute and lists of numbers in one notation."""
    spec = asked.spec()
    return replace(
        asked,
        data=asked.data and spec.source,
        data_root=asked.data_root and spec.root,
        hook=asked.hook and str(Path(asked.hook).absolute()),
        exit_weights=asked.exit_weights and _text(_numbers(asked.exit_weights)),
    )


def resolve(asked: Asked, name: str, architecture: dict[str, Any], **found: Any) -> TrainSettings:
    """Settings with every option decided; `found`: data, recipe and hook, looked up before.

    Raises UserError for a name, a seed or a number of threads that is none.
    """
    if not NAME.fullmatch(name):
        raise UserError(
            f"name {name!r} is not a name: letters, digits, '.', '_' and '-', "
            "at most 64, starting with a letter or digit"
        )
    if asked.seed is not None and asked.seed < 0:
        raise UserError(f"seed {asked.seed}: must be 0 or more")
    if asked.threads is not None and asked.threads < 1:
        raise UserError(f"threads {asked.threads}: must be 1 or more")
    return TrainSettings(
        name=name,
        architecture=architecture,
        recipe_name=asked.recipe or "default",
        metric=asked.metric or "accuracy",
        seed=asked.seed or 0,
        device=asked.device or "cpu",
        runtime=asked.runtime or "torch",
        threads=asked.threads or cores(),
        checkpoint=bool(asked.checkpoint),
        **found,
    )


def load(folder: Path) -> TrainSettings:
    """Read `train.yaml`. Raises UserError naming the file if it is not what `dump` wrote."""
    path = folder / FILE
    return documents.validate(TrainSettings, documents.read(path), str(path))


def dump(settings: TrainSettings) -> bytes:
    """The text of `train.yaml`."""
    import yaml

    text: str = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)
    return text.encode()


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"exit weights {text!r}: must be numbers with commas, one an exit, such as 1,1,0.5"
        ) from None


def _text(weights: "tuple[float, ...] | list[float]") -> str:
    return ",".join(f"{weight:g}" for weight in weights)
