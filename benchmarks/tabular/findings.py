"""Regrets, their spread over seeds, and what else many searches of one task show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tabular.searching import Course
from benchmarks.tabular.task import PARETO, Task


@dataclass(frozen=True, slots=True)
class Finding:
    """What the searches of one contender came to.

    regret, error: in % of the highest value (or hypervolume), mean over seeds and standard error
    after each trial. to_best: median of the trials until a network of the highest true value was
    trained, None unless more than half of the searches did; reached: their share. again, repeats:
    mean of the trials that trained a network once more, and of those that brought nothing new.
    ask_ms: mean of the last proposals, with all that is learnt and fitted meanwhile.
    """

    regret: list[float]
    error: list[float]
    to_best: float | None
    reached: float
    again: float
    repeats: float
    ask_ms: float
    hours: float
    seeds: int

    def facts(self, at: Sequence[int]) -> dict[str, Any]:
        """Return the figures as JSON values, the regret at these numbers of trials."""
        return {
            "regret": {str(t): round(self.regret[t - 1], 4) for t in at},
            "standard_error": {str(t): round(self.error[t - 1], 4) for t in at},
            "trials_to_best": self.to_best,
            "reached_best": self.reached,
            "trained_again": self.again,
            "repeats": self.repeats,
            "ask_ms": round(self.ask_ms, 2),
            "simulated_hours": round(self.hours, 2),
            "seeds": self.seeds,
        }


def finding(task: Task, courses: Sequence[Course]) -> Finding:
    """Sum up the searches of one contender."""
    best = task.volume(task.rows().tolist()) if task.kind == PARETO else task.optimum()
    regret = 100 * (best - np.array([course.score for course in courses])) / best
    mean, error = _summary(regret)
    reached = [course.best or np.inf for course in courses]
    middle = float(np.median(reached))
    return Finding(
        mean.tolist(),
        error.tolist(),
        middle if np.isfinite(middle) else None,
        float(np.mean(np.isfinite(reached))),
        float(np.mean([course.again for course in courses])),
        float(np.mean([course.repeats for course in courses])),
        float(np.mean([course.ask_ms for course in courses])),
        float(np.mean([course.hours for course in courses])),
        len(courses),
    )


def trained(task: Task, courses: Mapping[str, Sequence[Course]], at: Sequence[int]) -> str:
    """Return a Markdown table of the hypervolume of all that was trained, by its true value.

    What chance makes the choice of a front costs is not in it.
    """
    whole = task.volume(task.rows().tolist())
    rows = [["controller", *map(str, at)], ["---"] * (len(at) + 1)]
    for name, of_one in courses.items():
        volumes = np.array([[task.volume(each.rows[:t]) for t in at] for each in of_one])
        mean, error = _summary(100 * (1 - volumes / whole))
        rows.append([name, *map(_figure, mean, error)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def table(findings: Mapping[str, Finding], at: Sequence[int]) -> str:
    """Return a Markdown table: a row for each contender."""
    head = [
        "controller",
        *(f"{t}" for t in at),
        "to the best (share)",
        "again",
        "repeats",
        "ms an ask",
    ]
    rows = [head, ["---"] * len(head)]
    for name, found in findings.items():
        figures = [_figure(found.regret[t - 1], found.error[t - 1]) for t in at]
        best = "-" if found.to_best is None else f"{found.to_best:g}"
        told = [f"{best} ({found.reached:.2f})", f"{found.again:.1f}", f"{found.repeats:.1f}"]
        rows.append([name, *figures, *told, f"{found.ask_ms:.1f}"])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _summary(regret: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over the searches [searches, n] and its standard error, NaN for one search."""
    count = len(regret)
    spread = regret.std(axis=0, ddof=1) if count > 1 else np.full(regret.shape[1], np.nan)
    return regret.mean(axis=0), spread / np.sqrt(count)


def _figure(regret: float, error: float) -> str:
    # The spread of one seed is not known.
    return f"{regret:.3f}" + ("" if np.isnan(error) else f" ± {error:.3f}")
