"""A search space in Ray Tune's words."""

from typing import TYPE_CHECKING, Any

from ray import tune

from nas import plugins

if TYPE_CHECKING:
    from search_spaces.space import SearchSpace

ARCHITECTURE = "architecture"
"""Under this key a trial's configuration has an option for every decision."""


def param_space(space: "str | SearchSpace") -> dict[str, dict[str, Any]]:
    """Return the decisions as `tune.choice`, for `Tuner(param_space=...)`.

    Any search algorithm of Tune's draws from it; `Search` puts its proposals in their place.
    Raises UserError for an unknown space.
    """
    found = plugins.space(space) if isinstance(space, str) else space
    return {ARCHITECTURE: {d.name: tune.choice(list(d.options)) for d in found.decisions}}
