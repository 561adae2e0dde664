"""Local search (White et al. 2021, arXiv 2005.02960): first improvement, with restarts.

From a random start, neighbours of the present architecture are trained in random order; the first
one that is better becomes the present one. Where none is, the search starts anew elsewhere. On
small spaces it is hard to beat; in large ones it stays near where it began.
"""

from typing import TYPE_CHECKING

import numpy as np
from optuna.study import Study

from controllers.candidates import free
from controllers.from_record import FromRecord, check_one_objective

if TYPE_CHECKING:
    from controllers.history import History, Lesson
    from controllers.protocols import Cost, Keyed, Space


def local_search(space: "Space | None", cost: "Cost | None", seed: int) -> "LocalSearch":
    """Takes one objective."""
    return LocalSearch("local_search", space, cost, seed)


class LocalSearch(FromRecord):
    """Proposes untried neighbours of where the record says that the search stands.

    Raises:
        ControllerError: on the first proposal, in a study with several objectives.
    """

    def __init__(self, name: str, space: "Space | None", cost: "Cost | None", seed: int) -> None:
        super().__init__(name, space, cost, seed)
        # Of the space searched last.
        self._around: tuple[Space, dict[Keyed, tuple[Keyed, ...]]] | None = None

    def check(self, study: Study) -> None:
        check_one_objective("local_search", study)

    def propose(self, history: "History", rng: np.random.Generator) -> "Keyed":
        present = self._present(history)
        if present is not None:
            near = self._neighbours(history.space, present.architecture)
            left = [neighbour for neighbour in near if history.free(neighbour)]
            if left:
                return left[rng.integers(len(left))]
        return free(history, rng)

    def _present(self, history: "History") -> "Lesson | None":
        """Where the climb stands after the last trial told; None before the first.

        A summit is left once all its neighbours within the bounds were told or failed: the next
        trial then is a new start, however low it lies.
        """
        present: Lesson | None = None
        done = history.failed()
        for lesson in history.lessons:
            if (
                present is None
                or lesson.values > present.values
                or self._left(history, present, done)
            ):
                present = lesson
            done.add(lesson.architecture.key)
        return present

    def _left(self, history: "History", present: "Lesson", done: set[str]) -> bool:
        """Whether nothing around the present architecture is left to train."""
        near = self._neighbours(history.space, present.architecture)
        return all(each.key in done or history.violation(each) > 0 for each in near)

    def _neighbours(self, space: "Space", architecture: "Keyed") -> "tuple[Keyed, ...]":
        if self._around is None or self._around[0] is not space:
            self._around = (space, {})
        near = self._around[1]
        if architecture not in near:
            near[architecture] = tuple(space.neighbours(architecture))
        return near[architecture]
