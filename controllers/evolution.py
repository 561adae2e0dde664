"""Regularized evolution (Real et al., AAAI 2019, arXiv 1802.01548) as an Optuna sampler.

The population is the last trials told, whatever they are worth: age, not quality, removes them. A
tournament among some of them picks the parent, one mutation makes the child. With several
objectives the tournament is won by the lower non-dominated rank in the population, then the larger
crowding distance (Deb et al. 2002, doi 10.1109/4235.996017).
"""

from typing import TYPE_CHECKING

import numpy as np

from controllers import dominance
from controllers.candidates import free
from controllers.errors import ControllerError, check_whole
from controllers.from_record import FromRecord

if TYPE_CHECKING:
    from controllers.history import History
    from controllers.protocols import Cost, Keyed, Space


def evolution(
    space: "Space | None",
    cost: "Cost | None",
    seed: int,
    population: int = 30,
    tournament: int = 10,
) -> "Evolution":
    """Takes one objective or several.

    Args:
        population: of so many latest trials one becomes a parent; as many are drawn first.
        tournament: how many of them compete.

    Raises:
        ControllerError: a population below 2, or a tournament that is none of 1 to population.
    """
    check_whole("population", population, least=2)
    check_whole("tournament", tournament, least=1)
    if tournament > population:
        raise ControllerError(
            f"tournament {tournament}: it must be at most the population, {population}"
        )
    return Evolution(space, cost, seed, population, tournament)


class Evolution(FromRecord):
    """Proposes mutants of tournament winners that were not tried before."""

    def __init__(
        self,
        space: "Space | None",
        cost: "Cost | None",
        seed: int,
        population: int,
        tournament: int,
    ) -> None:
        super().__init__("evolution", space, cost, seed)
        self._population, self._tournament = population, tournament

    def propose(self, history: "History", rng: np.random.Generator) -> "Keyed":
        space, alive = history.space, history.lessons[-self._population :]
        if len(alive) < self._population:
            return free(history, rng)
        # Over the whole population: in a tournament of few nearly all would stand at an end.
        rank, spread = dominance.standing(np.array([lesson.values for lesson in alive]))

        def child() -> "Keyed":
            chosen = rng.choice(len(alive), self._tournament, replace=False)
            winner = chosen[np.lexsort((-spread[chosen], rank[chosen]))[0]]
            return space.mutate(alive[winner].architecture, rng)

        return free(history, rng, child)
