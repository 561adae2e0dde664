"""Orders of exits, and the statistics of passes that ran in one.

A low quantile over all passes that left at an exit would pick those that happened to follow another
deep pass, and so hide what the order costs. Over the rounds, one place of the order repeats the
same work after the same work: there a low quantile removes the disturbances of a shared machine and
nothing else. The mean over the places of an exit then keeps what the order costs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latency.protocol import Samples, part_times

STATISTIC = (
    "mean over the places of an exit in the order of the sum over parts of the {quantile:g} "
    "quantile over rounds"
)

Values = NDArray[np.float64]
ALL = slice(None)


def drawn(shares: Sequence[float], passes: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Return of each pass how many stages it runs: exits by their shares, in a random order.

    Counts are rounded to whole passes; an exit with a share gets one pass at least.
    """
    exact = np.asarray(shares) * passes
    counts = np.floor(exact).astype(int)
    missing = passes - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
    counts = np.maximum(counts, np.asarray(shares) > 0)
    order = rng.permutation(np.repeat(np.arange(1, len(counts) + 1), counts))
    return tuple(int(stages) for stages in order)


@dataclass(frozen=True, eq=False, slots=True)
class Ordered:
    """The samples [rounds, repeats, parts] in ms of passes in an ``order``, given in stages.

    ``parts``: of each pass how many parts it has.
    """

    samples: Samples
    parts: tuple[int, ...]
    order: tuple[int, ...]
    quantile: float

    def undisturbed(self, rounds: slice = ALL) -> Values:
        """Return the milliseconds of each pass of the order by low quantiles, [passes]."""
        return np.add.reduceat(part_times(self.samples[rounds], self.quantile), self._starts())

    def as_they_ran(self) -> Values:
        """Return the milliseconds of every pass, [rounds * repeats, passes]."""
        flat = self.samples.reshape(-1, self.samples.shape[2])
        return np.asarray(np.add.reduceat(flat, self._starts(), axis=1))

    def at(self, stages: int) -> NDArray[np.intp]:
        """Return the places of the order where passes run so many stages."""
        return np.flatnonzero(np.array(self.order) == stages)

    def weights(self, shares: Sequence[float]) -> Values:
        """Return what each place stands for: its exit's share, divided among the exit's places."""
        return np.array([shares[stages - 1] / self.order.count(stages) for stages in self.order])

    def _starts(self) -> NDArray[np.intp]:
        return np.cumsum((0, *self.parts[:-1]))


def quantile(values: Values, weights: Values, level: float) -> float:
    """Return the smallest value that a share ``level`` of the weights does not exceed."""
    order = np.argsort(values, kind="stable")
    # The tolerance keeps 0.95 reached when shares such as 0.65 + 0.3 add up to a hair less.
    reached = np.cumsum(weights[order]) >= level * weights.sum() - 1e-9
    return float(values[order[int(np.argmax(reached))]])


def halves_differ(figure: Callable[[slice], float]) -> float:
    """Return by how much a figure differs between even and odd rounds, relative."""
    even, odd = (figure(slice(start, None, 2)) for start in (0, 1))
    return abs(even - odd) / min(even, odd)
