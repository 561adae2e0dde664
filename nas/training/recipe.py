"""How a network is trained: every number that decides its weights besides the seed."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nas.data.fields import checked
from nas.errors import UserError

SCHEDULES = ("cosine",)
WARM_UP = 0.1  # part of all steps in which the learning rate rises, at most one epoch
SHORT_EPOCHS = 4  # of a trial: 93 to 98 % on the digits with MSDNets of 10 to 14 million MACs
MANY = 2000  # images
CROP_PART = 16  # a trial is too short for the usual 4 pixels of 32; digits lose by it


@dataclass(frozen=True, slots=True)
class Recipe:
    """SGD with Nesterov momentum and a cosine schedule (Loshchilov and Hutter 2017).

    lr: the highest learning rate, reached after the warm-up. crop: pixels an image may move.
    weight_decay applies to the weights of convolutions and linear layers, not to biases and
    normalisations.

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

    def __post_init__(self) -> None:
        checks = {
            "epochs": (self.epochs >= 1, "1 or more"),
            "batch_size": (self.batch_size >= 2, "2 or more"),
            "lr": (0 < self.lr < math.inf, "above 0"),
            "momentum": (0 < self.momentum < 1, "between 0 and 1"),  # Nesterov needs some
            "weight_decay": (0 <= self.weight_decay < math.inf, "0 or more"),
            "label_smoothing": (0 <= self.label_smoothing < 1, "0 or more and below 1"),
            "crop": (self.crop >= 0, "0 or more"),
            "schedule": (self.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
        }
        for name, (right, wanted) in checks.items():
            if not right:
                raise UserError(f"recipe: {name} {getattr(self, name)!r} must be {wanted}")

    def learning_rate(self, step: int, steps: int, steps_per_epoch: int) -> float:
        """The rate of step 0..steps-1: a straight rise, then half a cosine towards zero."""
        rise = max(1, min(round(WARM_UP * steps), steps_per_epoch))
        if step < rise:
            return self.lr * (step + 1) / rise
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - rise + 1) / (steps - rise + 1)))

    def to_json(self) -> dict[str, Any]:
        """Every field under its own name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Recipe":
        """The recipe that `to_json` wrote; UserError on an unknown or missing key."""
        return cls(**checked(cls, data, "recipe"))


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
