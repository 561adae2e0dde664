"""The noise floor of a task: the regret that luck in training alone leaves."""

from dataclasses import dataclass

import numpy as np

from benchmarks.tabular.task import Task

SEEDS = 200


@dataclass(frozen=True, slots=True)
class Floor:
    """Regret in %, mean over `SEEDS` draws and its standard error."""

    regret: float
    error: float

    def __str__(self) -> str:
        return f"{self.regret:.3f} ± {self.error:.3f} %"


def floor(task: Task) -> Floor:
    """Return the regret of who sees one training of each network and takes the highest value.

    A seed shows here what a search of that seed is shown of its networks' first trainings.
    """
    rows, best = _hopeful(task), task.optimum()
    found = []
    for seed in range(SEEDS):
        seen = [task.observation(row, seed, 0)[0] for row in rows]
        found.append(task.truth(rows[int(np.argmax(seen))])[0])
    regret = 100 * (best - np.array(found)) / best
    return Floor(float(regret.mean()), float(regret.std(ddof=1) / np.sqrt(SEEDS)))


def _hopeful(task: Task) -> list[int]:
    """The networks that can show the highest value: they may reach what some other one must."""
    rows = task.rows().tolist()
    shown = [[task.values(row, seen)[0] for seen in task.seen(row)] for row in rows]
    sure = max(map(min, shown))
    return [row for row, values in zip(rows, shown, strict=True) if max(values) >= sure]
