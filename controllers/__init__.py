"""Who chooses: Optuna samplers, the platform's own among them."""

import inspect
from difflib import get_close_matches
from importlib import import_module
from operator import index
from typing import TYPE_CHECKING, Any

from controllers.errors import ControllerError
from controllers.table import CONTROLLERS

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from controllers.protocols import Cost, Space

__all__ = ["ControllerError", "make", "names"]


def names() -> tuple[str, ...]:
    """The controllers that `make` knows, in the order of the table."""
    return tuple(CONTROLLERS)


def make(
    name: str,
    /,
    space: "Space | None" = None,
    cost: "Cost | None" = None,
    seed: int = 0,
    **options: Any,
) -> "BaseSampler":
    """Make a controller: an Optuna sampler whose proposals can be replayed.

    A proposal is a pure function of `seed`, the trial's number, the trials told before it was
    asked and those still running. So `seed` is the seed of the whole search, the same for every
    ask, and a sampler made anew gives the proposal that an old one would have given.

    Args:
        name: one of `names()`.
        space: what is searched; without it a controller learns the decisions from the trials,
            as every Optuna sampler does.
        cost: what is known of an architecture before it is trained: a function to its latency in
            ms, or more, see `controllers.protocols.Cost`.
        seed: any integer.
        options: the named options of that controller, e.g. `population=20` of `nsga2`.

    Raises:
        ControllerError: no such controller or option, a value out of range, a seed that is no
            integer.
    """
    if name not in CONTROLLERS:
        near = get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ControllerError(f"no controller {name!r}: {hint}it is one of {', '.join(names())}")
    module, factory_name = CONTROLLERS[name].split(":")
    factory = getattr(import_module(module), factory_name)
    known = [option for option in inspect.signature(factory).parameters if option not in _GIVEN]
    for option in options:
        if option not in known:
            choice = f"its options are {', '.join(known)}" if known else "it takes no options"
            raise ControllerError(f"controller {name!r} has no option {option!r}: {choice}")
    try:
        whole = index(seed)
    except TypeError:
        raise ControllerError(f"seed {seed!r}: it must be a whole number") from None
    sampler: BaseSampler = factory(space=space, cost=cost, seed=whole, **options)
    return sampler


_GIVEN = ("space", "cost", "seed")
