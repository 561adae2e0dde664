"""Names to things: search spaces, controllers and runtimes, the built-in ones and outsiders' own.

Our spaces are a literal table of strings, imported only when asked for; controllers and runtimes
have such a table in their own packages. Any installed package adds to them with an entry point in
the group ``nas.search_spaces`` (an instance of ``SearchSpace``), ``nas.controllers`` (called like
``controllers.make``) or ``nas.runtimes`` (called with the device, gives a ``Runtime`` or a
``LatencySource``). A built-in name wins over an outsider's.
"""

import inspect
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from nas.errors import UserError

if TYPE_CHECKING:
    import optuna

    from latency.bench import Bench
    from latency.runtimes.runtime import Runtime
    from latency.source import LatencySource
    from search_spaces.space import SearchSpace

Group = Literal["search_spaces", "controllers", "runtimes"]

SPACES = {
    "msd": "search_spaces.msd:MSD",
    "msd-network": "search_spaces.msd:MSD_NETWORK",
    "msd-layer": "search_spaces.msd:MSD_LAYER",
    "ranet": "search_spaces.ranet:RANET",
    "densenet": "search_spaces.densenet:DENSENET",
    "resnet": "search_spaces.resnet:RESNET",
    "ensemble": "search_spaces.ensemble:ENSEMBLE",
    "inception": "search_spaces.inception:INCEPTION",
    "shufflenet": "search_spaces.shufflenet:SHUFFLENET",
    "mnasnet": "search_spaces.mnasnet:MNASNET",
}

NOUNS = {"search_spaces": "search space", "controllers": "controller", "runtimes": "runtime"}


def names(group: Group) -> tuple[str, ...]:
    """Return every name of a group: ours as in their table, then outsiders' by alphabet."""
    own = _own(group)
    return own + tuple(sorted(entry_points(group=f"nas.{group}").names - set(own)))


def outsiders(group: Group) -> dict[str, str]:
    """Return the names that installed packages declare, each with its package; none is imported."""
    own = _own(group)
    points = [each for each in entry_points(group=f"nas.{group}") if each.name not in own]
    return {each.name: each.dist.name if each.dist else each.module for each in sorted(points)}


def space(name: str) -> "SearchSpace":
    """Return the search space of that name.

    Raises UserError naming the closest match and every name, where there is none, and for an
    outsider's space that cannot be loaded or has another name than it is declared under.
    """
    if name in SPACES:
        own: SearchSpace = _load(SPACES[name])
        return own
    found: SearchSpace = _outside("search_spaces", name)
    # Configs and runs keep the space's own name and look it up again here.
    if (called := getattr(found, "name", None)) != name:
        raise UserError(f"search space {name!r} calls itself {called!r}; its package must agree")
    return found


def controller(
    name: str, /, space: Any = None, cost: Any = None, seed: int = 0, **options: Any
) -> "optuna.samplers.BaseSampler":
    """Make the controller of that name; the arguments are those of ``controllers.make``.

    Raises UserError where there is no such name, and ControllerError where the options do not fit.
    """
    import controllers

    make = controllers.make if name in controllers.names() else _outside("controllers", name)
    given = {"space": space, "cost": cost, "seed": seed, **options}
    try:
        inspect.signature(make).bind(name, **given)
    except TypeError as error:
        raise controllers.ControllerError(f"controller {name!r}: {error}") from None
    found: optuna.samplers.BaseSampler = make(name, **given)
    return found


def runtime(name: str, device: str = "cpu") -> "LatencySource":
    """Make the latency source that measures with this runtime on this device.

    Raises UserError where there is no such name, and LatencyError where the device does not fit.
    """
    from latency import sources
    from latency.bench import LocalBench
    from latency.measuring import Measuring

    if name in sources.RUNTIMES:
        return sources.make(name, device)
    found = _outside("runtimes", name)(device)
    if _measures(name, found):
        return Measuring(LocalBench(found))
    source: LatencySource = found
    return source


def bench(name: str, device: str = "cpu") -> "Bench":
    """Make the bench where pieces of work are measured with this runtime on this device.

    Raises UserError where there is no such name, and LatencyError where the device does not fit or
    the runtime measures nothing itself: a law, or an outsider's latency source.
    """
    from latency import sources
    from latency.bench import LocalBench
    from latency.errors import LatencyError

    if name in sources.RUNTIMES:
        return sources.bench(name, device)
    found = _outside("runtimes", name)(device)
    if not _measures(name, found):
        raise LatencyError(
            f"runtime {name!r} tells latencies of whole networks only: "
            "choose one that prepares pieces of work"
        )
    return LocalBench(found)


def _measures(name: str, found: Any) -> "TypeGuard[Runtime]":
    """Whether an outsider's thing is a ``Runtime``; a ``LatencySource`` is none.

    Raises UserError naming what is missing where it is neither.
    """
    if hasattr(found, "estimate_many"):
        return False
    wanted = ("name", "device", "protocol", "shares_host", "prepare", "conditions")
    if missing := [member for member in wanted if not hasattr(found, member)]:
        raise UserError(f"runtime {name!r} is no Runtime: it has no {', '.join(missing)}")
    return True


def unknown(noun: str, name: str, known: tuple[str, ...]) -> UserError:
    """Return the error for a name that nothing has: the closest one and all, in one line."""
    close = get_close_matches(name, known, n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    return UserError(f"unknown {noun} {name!r}{hint} (there are: {', '.join(known)})")


def _own(group: Group) -> tuple[str, ...]:
    """The built-in names of a group."""
    if group == "controllers":
        import controllers

        return controllers.names()
    if group == "runtimes":
        from latency.sources import RUNTIMES

        return tuple(RUNTIMES)
    return tuple(SPACES)


def _load(target: str) -> Any:
    """Import what "module:attribute" names."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def _outside(group: Group, name: str) -> Any:
    """What an installed package declares under a name.

    Raises UserError where none does, and naming the package where its import fails.
    """
    declared = entry_points(group=f"nas.{group}", name=name)
    if not declared:
        raise unknown(NOUNS[group], name, names(group))
    point = next(iter(declared))
    try:
        return point.load()
    except Exception as error:  # whatever an outsider's module does while it is imported
        package = point.dist.name if point.dist else point.module
        raise UserError(
            f"{NOUNS[group]} {name!r} of package {package} cannot be loaded "
            f"({type(error).__name__}: {' '.join(str(error).split())})"
        ) from error
