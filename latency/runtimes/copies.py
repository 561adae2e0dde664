"""The same work prepared several times: where in memory it comes to lie is chance.

Which cache lines tensors share and which pages they begin in makes a network slower in one process,
or one preparation, than in the next (Mytkowicz et al., ASPLOS 2009, on such chance). No number of
rounds removes that from work that is prepared once.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import cycle

from latency.protocol import Visit
from latency.runtimes.runtime import Prepared


class Copies(Prepared):
    """Copies of one piece of work; visits take turns with them, so that rounds do."""

    def __init__(self, copies: Sequence[Prepared]) -> None:
        self._copies, self._turns = tuple(copies), cycle(copies)
        self.parts, self.consecutive = copies[0].parts, copies[0].consecutive

    def run(self, stages: int) -> list[float]:
        return self._copies[0].run(stages)

    def visit(self, visit: Visit, stages: int | None = None) -> list[list[float]]:
        return next(self._turns).visit(visit, stages)

    def close(self) -> None:
        for copy in self._copies:
            copy.close()


def prepared(make: Callable[[], Prepared], count: int) -> Prepared:
    """Make work ready ``count`` times, at least once; what is ready is closed where one fails."""
    if count == 1:
        return make()
    with ExitStack() as undo:
        copies = []
        for _ in range(count):
            copies.append(make())
            undo.callback(copies[-1].close)
        undo.pop_all()
    return Copies(copies)
