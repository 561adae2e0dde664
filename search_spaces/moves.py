"""Draws and moves within a search space: samples, mutants, children and neighbours.

What ``SearchSpace`` offers under the same words; every function takes the space first. Values
beyond the searched options (a published network's) are kept wherever they fit the rest.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from search_spaces.architecture import Architecture, Option, counts
from search_spaces.errors import SpaceError

if TYPE_CHECKING:
    from search_spaces.space import SearchSpace

_DRAWS = 32  # so often a move is tried before it is given up


def sample(space: "SearchSpace", rng: np.random.Generator) -> Architecture:
    """Draw an architecture: each active decision uniformly over its options."""
    return space.architecture(_drawn(space, {}, rng))


def mutate(
    space: "SearchSpace", architecture: Architecture, rng: np.random.Generator
) -> Architecture:
    """Change one active decision; decisions that this makes count are drawn."""
    mutant = architecture
    for _ in range(_DRAWS):
        given = architecture.decisions()
        decisions = space.decisions_for(given)
        movable = [d for d in decisions if d.name in given and len(d.options) > 1]
        decision = movable[rng.integers(len(movable))]
        others = [o for o in decision.options if o != given[decision.name]]
        given[decision.name] = others[rng.integers(len(others))]
        moved = _made(space, _drawn(space, given, rng), architecture.widened)
        mutant = moved or architecture
        if mutant.key != architecture.key:
            break
    return mutant


def crossover(
    space: "SearchSpace", first: Architecture, second: Architecture, rng: np.random.Generator
) -> Architecture:
    """Take each decision from one of two parents, at random; ``first`` where no draw fits."""
    parents = (first.decisions(), second.decisions())
    names = dict.fromkeys([*(decision.name for decision in space.decisions), *first, *second])
    for _ in range(_DRAWS):
        mixed: dict[str, Option] = {}
        for name in names:
            if values := [parent[name] for parent in parents if name in parent]:
                mixed[name] = values[rng.integers(len(values))]
        child = _made(space, _drawn(space, mixed, rng), (*first.widened, *second.widened))
        if child is not None:
            return child
    return first


def neighbours(space: "SearchSpace", architecture: Architecture) -> Iterator[Architecture]:
    """Yield the architectures that differ in one active decision, in the space's order."""
    given = architecture.decisions()
    seen = {architecture.key}
    for decision in space.decisions_for(given):
        if decision.name not in given:
            continue
        for option in decision.options:
            changed = _filled(space, given | {decision.name: option})
            neighbour = _made(space, changed, architecture.widened)
            if neighbour is not None and neighbour.key not in seen:
                seen.add(neighbour.key)
                yield neighbour


def _made(
    space: "SearchSpace", choices: Mapping[str, Option], widened: tuple[str, ...]
) -> Architecture | None:
    """Make an architecture; None where values beyond the options do not fit the others."""
    try:
        return space.architecture(choices, widened)
    except SpaceError:
        if not widened:
            raise
        return None


def _drawn(
    space: "SearchSpace", given: Mapping[str, Option], rng: np.random.Generator
) -> dict[str, Option]:
    """Return the active decisions: as given, else drawn."""
    chosen: dict[str, Option] = {}
    for decision in space.decisions_for(given):
        if counts(decision, chosen):
            chosen[decision.name] = (
                given[decision.name]
                if decision.name in given
                else decision.options[rng.integers(len(decision.options))]
            )
    return chosen


def _filled(space: "SearchSpace", given: Mapping[str, Option]) -> dict[str, Option]:
    """Return the active decisions: as given, else their first option."""
    chosen: dict[str, Option] = {}
    for decision in space.decisions_for(given):
        if counts(decision, chosen):
            chosen[decision.name] = given.get(decision.name, decision.options[0])
    return chosen
