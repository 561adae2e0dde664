"""What is searched in a table: observations, objectives, the truth, and the cost known before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.objective import Direction
from nas.pareto import front, hypervolume
from nas.rewards import Reward
from nas.tabular import Row, TableSpace

Column = NDArray[np.float64]
ACCURACY, REWARD, PARETO = "accuracy", "reward", "pareto"
WORST_ACCURACY = 0.05
"""Quantile of the accuracies where hypervolume begins to count; in latency it is the slowest."""


@dataclass(frozen=True, slots=True)
class Task:
    """A search over a table.

    observed: [rows, seeds], the accuracy (any unit) that a trial shows, one seed a trial; NaN where
    a row was not trained with a seed; each of `rows()` was with one at least. score: [rows], the
    accuracy that an incumbent is judged by. latency: [rows] in ms, or None for accuracy alone.
    reward: makes one objective of both; None for two objectives. measures: [rows, measures],
    further numbers known before training. seconds: [rows], a training.
    """

    space: TableSpace
    observed: NDArray[np.float64]
    score: Column
    latency: Column | None
    reward: Reward | None
    measures: NDArray[np.float64]
    seconds: Column

    @property
    def kind(self) -> str:
        """Accuracy alone, the reward, or two objectives."""
        if self.latency is None:
            return ACCURACY
        return PARETO if self.reward is None else REWARD

    @property
    def exact(self) -> bool:
        """Whether trials show what they are judged by, and one number of it."""
        return self.kind != PARETO and bool((self.score == self.observed.T).all())

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Optuna's words."""
        return ("maximize", "minimize") if self.kind == PARETO else ("maximize",)

    def seen(self, row: int) -> Column:
        """Return the accuracies of a row's trainings, another training of which shows no more."""
        found: Column = self.observed[row][np.isfinite(self.observed[row])]
        return found

    def observation(self, row: int, seed: int, again: int) -> tuple[float, ...]:
        """What the `again`-th training (from 0) of a row shows in a search of this seed."""
        seen = self.seen(row)
        first = int(np.random.default_rng([seed, row]).integers(len(seen)))
        return self.values(row, seen[(first + again) % len(seen)])

    def truth(self, row: int) -> tuple[float, ...]:
        """The objectives by the score."""
        return self.values(row, self.score[row])

    def values(self, row: int, accuracy: float) -> tuple[float, ...]:
        """The objectives of an accuracy at the row's latency."""
        if self.latency is None:
            return (float(accuracy),)
        latency = float(self.latency[row])
        return (
            (float(accuracy), latency)
            if self.reward is None
            else (self.reward(float(accuracy), latency),)
        )

    def known(self) -> "Known":
        """Return the cost that controllers are given."""
        return Known(self)

    def rows(self) -> NDArray[np.int64]:
        """Return the row of each distinct network."""
        return np.unique(self.space.canonical)

    def optimum(self) -> float:
        """Return the highest objective of the table, by the score."""
        return max(self.truth(int(row))[0] for row in self.rows())

    def volume(self, rows: Sequence[int]) -> float:
        """Return the hypervolume, by the score, of those rows."""
        assert self.latency is not None, "hypervolume needs two objectives"
        reference = (float(np.quantile(self.score, WORST_ACCURACY)), float(self.latency.max()))
        points = [self.truth(row) for row in rows]
        inside = [p for p in points if p[0] > reference[0] and p[1] < reference[1]]
        return hypervolume(inside, self.directions, reference) if inside else 0.0

    def observed_front(self, rows: Sequence[int], values: Sequence[tuple[float, ...]]) -> list[int]:
        """Return the rows that no other beats by what was observed."""
        return [rows[at] for at in front(values, self.directions)]


class Known:
    """What is known of a row before training (``controllers.protocols``)."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __call__(self, architecture: Row) -> float:
        latency = self._task.latency
        return 1.0 if latency is None else float(latency[architecture.number])

    def weights(self, architecture: Row) -> tuple[float, ...]:
        """Return what the reward makes of an accuracy of 1."""
        task = self._task
        if task.kind == REWARD:
            return task.values(architecture.number, 1.0)
        return (1.0,) * len(task.directions)

    def known(self, architecture: Row) -> tuple[float | None, ...]:
        """Return the latency where it is an objective of its own."""
        return (None, self(architecture)) if self._task.kind == PARETO else (None,)

    def measures(self, architecture: Row) -> tuple[float, ...]:
        """Return latency and the other columns that are known."""
        latency = () if self._task.latency is None else (self(architecture),)
        return (*latency, *map(float, self._task.measures[architecture.number]))
