"""Architectures to choose among: draws, moves and whatever has not been tried yet."""

from collections.abc import Callable, Container, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from controllers.discretise import options
from controllers.seeds import derive

if TYPE_CHECKING:
    from controllers.history import History
    from controllers.protocols import Keyed, Space

DRAWS = 50
"""Draws before the neighbourhood is searched in order for something that is free."""
REACHED = 20_000


def draw(space: "Space", rng: np.random.Generator) -> "Keyed":
    """Every decision uniformly over its options."""
    chosen = {name: options(d) for name, d in space.distributions().items()}
    return space.architecture(
        {name: listed[rng.integers(len(listed))] for name, listed in chosen.items()}
    )


def balanced(space: "Space", seed: int, number: int) -> "Keyed":
    """The `number`-th of a design in which the options of each decision take turns.

    Every option of a decision with n of them is there in any n in a row that begin at a multiple
    of n, in an order of the decision's own.
    """
    chosen = {}
    for name, distribution in space.distributions().items():
        listed = options(distribution)
        turn, place = divmod(number, len(listed))
        order = np.random.default_rng(derive(seed, "design", name, turn)).permutation(len(listed))
        chosen[name] = listed[order[place]]
    return space.architecture(chosen)


def free(
    history: "History",
    rng: np.random.Generator,
    proposed: Callable[[], "Keyed"] | None = None,
) -> "Keyed":
    """The first of `proposed()` (by default a draw) that is free: untried and within the bounds.

    After `DRAWS` of them and one more, what a search by moves from the last one finds; where there
    is nothing left, the last one itself.
    """
    make = proposed or (lambda: draw(history.space, rng))
    last = make()
    for _ in range(DRAWS):
        if history.free(last):
            return last
        last = make()
    return nearest_free(history, last) or last


def nearest_free(history: "History", start: "Keyed") -> "Keyed | None":
    """What is free and fewest moves from `start`; outside the bounds, those nearest to them first.

    None where nothing is, or `REACHED` architectures were looked at.
    """
    return nearest(history.space, start, history.violation, history.tried)


def nearest(
    space: "Space",
    start: "Keyed",
    violation: Callable[["Keyed"], float],
    tried: Container[str] = (),
) -> "Keyed | None":
    """What has no violation, is not among the tried keys and is fewest moves from `start`.

    None where nothing is, or `REACHED` architectures were looked at.
    """
    seen, order = {start.key}, count()
    waiting = [(violation(start), next(order), start)]
    while waiting and len(seen) < REACHED:
        beyond, _, found = heappop(waiting)
        if beyond <= 0 and found.key not in tried:
            return found
        for neighbour in space.neighbours(found):
            if neighbour.key not in seen:
                seen.add(neighbour.key)
                heappush(waiting, (violation(neighbour), next(order), neighbour))
    return None


def mutants(
    space: "Space", parents: "Sequence[Keyed]", many: int, rng: np.random.Generator
) -> "list[Keyed]":
    """`many` mutants of the parents in turn: of one move, of two, of one again..."""
    made = []
    for turn in range(many):
        mutant = space.mutate(parents[turn % len(parents)], rng)
        if (turn // len(parents)) % 2:
            mutant = space.mutate(mutant, rng)
        made.append(mutant)
    return made
