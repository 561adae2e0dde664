"""How a network is trained: every number that decides its weights besides the seed."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nas.data.fields import checked
from nas.errors import UserError
from nas.training import schedules
from nas.training.schedules import SCHEDULES

OPTIMISERS = ("sgd", "rmsprop")
PRECISIONS = ("float32", "bfloat16-dense", "bfloat16")
SHORT_EPOCHS = 4  # of a trial: 93 to 98 % on the digits with MSDNets of 10 to 14 million MACs
MANY = 2000  # images
CROP_PART = 16  # a trial is too short for the usual 4 pixels of 32; digits lose by it


@dataclass(frozen=True, slots=True)
class Recipe:
    """Optimiser, schedule, loss and augmentation; as it stands, SGD with a cosine schedule.

    Lengths within a training (`warm_up`, `milestones`, `decay_every`) are fractions of it.

    lr: the highest learning rate. weight_decay: of convolutions' and linear layers' weights, or of
    all parameters (`decay_all`). crop: pixels an image may move. schedule: one of `SCHEDULES`,
    those of steps with `gamma` at `milestones` or every `decay_every`. warm_up: the part in which
    the rate rises; None is a tenth, at most one epoch. optimiser: sgd with `momentum`, `nesterov`
    or not, or rmsprop as in TF with `rms_decay`, `rms_eps` and `momentum`. clip: largest norm of
    the gradient of all parameters. average: decay of the exponential moving average of weights
    and BatchNorm statistics that is then the trained network. dropout: of the network's Dropout
    modules; None leaves them. exit_weights: one an exit, times its losses. distill: weight of the
    loss by which earlier exits follow the last one, at temperature `distill_temperature`.
    precision: one of `PRECISIONS`, as `nas.training.precision` says.

    Raises:
        UserError: a number nobody can train with.
    """

    epochs: int
    batch_size: int = 32
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    flip: bool = False
    crop: int = 2
    schedule: str = "cosine"
    warm_up: float | None = None
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    decay_every: float = 1.0
    optimiser: str = "sgd"
    nesterov: bool = True
    rms_decay: float = 0.9
    rms_eps: float = 1e-3
    decay_all: bool = False
    clip: float | None = None
    average: float | None = None
    dropout: float | None = None
    exit_weights: tuple[float, ...] | None = None
    distill: float = 0.0
    distill_temperature: float = 3.0
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name, (right, wanted) in (_numbers(self) | _choices(self)).items():
            if not right:
                raise UserError(f"recipe: {name} {getattr(self, name)!r} must be {wanted}")

    def learning_rate(self, step: int, steps: int, steps_per_epoch: int) -> float:
        """The rate of step 0..steps-1, as `schedules.learning_rate`."""
        return schedules.learning_rate(self, step, steps, steps_per_epoch)

    def to_json(self) -> dict[str, Any]:
        """Every field under its own name, only objects that JSON has."""
        given = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in given.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Recipe":
        """The recipe that `to_json` wrote; UserError on an unknown or missing key."""
        given: dict[str, Any] = checked(cls, data, "recipe")
        for name, value in given.items():
            given[name] = tuple(value) if isinstance(value, list) else value
        return cls(**given)


Checks = dict[str, tuple[bool, str]]


def _numbers(recipe: Recipe) -> Checks:
    """Whether each number is right, and what it must be, by field."""
    r = recipe
    least = r.momentum > 0 if r.optimiser == "sgd" and r.nesterov else r.momentum >= 0
    return {
        "epochs": (r.epochs >= 1, "1 or more"),
        "batch_size": (r.batch_size >= 2, "2 or more"),
        "lr": (0 < r.lr < math.inf, "above 0"),
        "momentum": (least and r.momentum < 1, "between 0 and 1"),  # Nesterov needs some
        "weight_decay": (0 <= r.weight_decay < math.inf, "0 or more"),
        "label_smoothing": (0 <= r.label_smoothing < 1, "0 or more and below 1"),
        "crop": (r.crop >= 0, "0 or more"),
        "warm_up": (r.warm_up is None or 0 <= r.warm_up < 1, "0 or more and below 1"),
        "milestones": (all(0 < m < 1 for m in r.milestones), "fractions between 0 and 1"),
        "gamma": (0 < r.gamma <= 1, "above 0 and at most 1"),
        "decay_every": (0 < r.decay_every <= 1, "above 0 and at most 1"),
        "rms_decay": (0 < r.rms_decay < 1, "between 0 and 1"),
        "rms_eps": (0 < r.rms_eps < math.inf, "above 0"),
        "clip": (r.clip is None or 0 < r.clip < math.inf, "above 0"),
        "average": (r.average is None or 0 < r.average < 1, "between 0 and 1"),
        "dropout": (r.dropout is None or 0 <= r.dropout < 1, "0 or more and below 1"),
        "distill": (0 <= r.distill < math.inf, "0 or more"),
        "distill_temperature": (0 < r.distill_temperature < math.inf, "above 0"),
    }


def _choices(recipe: Recipe) -> Checks:
    weights = recipe.exit_weights
    weighty = weights is None or (
        all(0 <= weight < math.inf for weight in weights) and any(weights)
    )
    return {
        "schedule": (recipe.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
        "optimiser": (recipe.optimiser in OPTIMISERS, f"one of {', '.join(OPTIMISERS)}"),
        "precision": (recipe.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
        "exit_weights": (weighty, "0 or more, one of them above 0"),
    }


def short_recipe(image: tuple[int, int, int], epochs: int | None, count: int) -> Recipe:
    """The recipe of a trial for `count` images (channels, height, width).

    `epochs` None is the default. Batches are small where there are few images, since a trial needs
    some hundred steps; larger ones are faster on a CPU. Mirror images only for colour: photographs
    keep their meaning, digits do not.
    """
    channels, height, width = image
    return Recipe(
        epochs=SHORT_EPOCHS if epochs is None else epochs,
        batch_size=32 if count < MANY else 64,
        flip=channels == 3,
        crop=min(height, width) // CROP_PART,
    )
