"""Architectures to choose among: draws, moves and whatever has not been tried yet."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from controllers.discretise import options
from controllers.seeds import derive

if TYPE_CHECKING:
    from controllers.history import History
    from controllers.protocols import Keyed, Space

K = TypeVar("K", bound="Keyed")

DRAWS = 50
"""Draws before the neighbourhood is searched in order for something that is free."""
REACHED = 4000
"""Architectures looked at before a walk is given up: some seconds where each is priced."""


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

    After `DRAWS` of them and one more, what a search by moves from the last one finds. Where there
    is nothing left, what is within the bounds: of those drawn the last, else what is nearest, else
    what was told last. The last one drawn only where nothing within is known.
    """
    make = proposed or (lambda: draw(history.space, rng))
    last = make()
    inside: Keyed | None = None
    for _ in range(DRAWS):
        if history.free(last):
            return last
        inside = last if history.violation(last) <= 0 else inside
        last = make()
    return (
        nearest_free(history, last)
        or inside
        or nearest(history.space, last, history.violation)
        or _told_within(history)
        or last
    )


def _told_within(history: "History") -> "Keyed | None":
    told = (lesson.architecture for lesson in reversed(history.lessons))
    return next((each for each in told if history.violation(each) <= 0), None)


def nearest_free(history: "History", start: "Keyed") -> "Keyed | None":
    """What is free and fewest moves from `start`; outside the bounds, those nearest to them first.

    None where nothing is, or `REACHED` architectures were looked at.
    """
    return nearest(history.space, start, history.violation, history.tries)


def nearest(
    space: "Space",
    start: "Keyed",
    violation: Callable[["Keyed"], float],
    tried: Container[str] = (),
) -> "Keyed | None":
    """What has no violation, is not among the tried keys and is fewest moves from `start`.

    None where nothing is, or `REACHED` architectures were looked at.
    """
    for beyond, found in outward(space, [start], violation):
        if beyond <= 0 and found.key not in tried:
            return found
    return None


def outward(
    space: "Space", starts: Iterable[K], violation: Callable[[K], float]
) -> Iterator[tuple[float, K]]:
    """The starts and all that moves from them reach, each once with its violation.

    The least violation first, of equal ones those found first; no more than `REACHED` are priced.
    """
    seen: set[str] = set()
    waiting: list[tuple[float, int, K]] = []

    def meet(found: Iterable[K]) -> None:
        for each in found:
            if each.key not in seen:
                seen.add(each.key)
                heappush(waiting, (violation(each), len(seen), each))

    meet(starts)
    while waiting:
        beyond, _, found = heappop(waiting)
        yield beyond, found
        if len(seen) < REACHED:
            meet(cast(Iterable[K], space.neighbours(found)))


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
