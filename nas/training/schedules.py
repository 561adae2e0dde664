"""How the learning rate changes from the first step to the last.

All lengths are fractions of the training, so that a published schedule keeps its form when it is
shorter or longer.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.training.recipe import Recipe

WARM_UP = 0.1  # part of all steps in which the learning rate rises, at most one epoch
_SLACK = 1e-9  # of all steps: 0.3 * 100 is a hair more than 30


def learning_rate(recipe: "Recipe", step: int, steps: int, steps_per_epoch: int) -> float:
    """The rate of step 0..steps-1: a straight rise, then what the recipe's schedule says."""
    rise = _rise(recipe, steps, steps_per_epoch)
    if step < rise:
        return recipe.lr * (step + 1) / rise
    return recipe.lr * SCHEDULES[recipe.schedule](recipe, step, steps, rise)


def _rise(recipe: "Recipe", steps: int, steps_per_epoch: int) -> int:
    if recipe.warm_up is None:
        return max(1, min(round(WARM_UP * steps), steps_per_epoch))
    return round(recipe.warm_up * steps)


def _cosine(recipe: "Recipe", step: int, steps: int, rise: int) -> float:
    """Half a cosine towards zero (Loshchilov and Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * (step - rise + 1) / (steps - rise + 1)))


def _multistep(recipe: "Recipe", step: int, steps: int, rise: int) -> float:
    """Multiplied by gamma at every milestone, counted from the first step."""
    done = step / steps + _SLACK
    return recipe.gamma ** sum(milestone <= done for milestone in recipe.milestones)


def _exponential(recipe: "Recipe", step: int, steps: int, rise: int) -> float:
    """Multiplied by gamma every `decay_every` of the training, in jumps, from the first step.

    As TF's `exponential_decay(staircase=True)`: jumps within the rise count too.
    """
    return float(recipe.gamma ** math.floor((step / steps + _SLACK) / recipe.decay_every))


def _linear(recipe: "Recipe", step: int, steps: int, rise: int) -> float:
    """A straight line that would be zero one step after the last."""
    return (steps - step) / (steps - rise)


SCHEDULES: dict[str, Callable[["Recipe", int, int, int], float]] = {
    "cosine": _cosine,
    "multistep": _multistep,
    "exponential": _exponential,
    "linear": _linear,
}
