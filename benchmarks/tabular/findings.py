"""Regrets, their spread over seeds, and what else many searches of one task show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.tabular.searching import Course
from benchmarks.tabular.task import PARETO, Task

LAST = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """What the searches of one contender came to.

    regret, error: in % of the highest value (or hypervolume), mean over seeds and standard error
    after each trial. to_best: median of the trials until a network of the highest true value was
    trained, None unless more than half of the searches did; reached: their share. ask_ms: mean of
    the last `LAST` proposals, with all that is learnt and fitted meanwhile.
    """

    regret: list[float]
    error: list[float]
    to_best: float | None
    reached: float
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
            "ask_ms": round(self.ask_ms, 2),
            "simulated_hours": round(self.hours, 2),
            "seeds": self.seeds,
        }


def finding(task: Task, courses: Sequence[Course]) -> Finding:
    """Sum up the searches of one contender."""
    best = task.volume(task.rows().tolist()) if task.kind == PARETO else task.optimum()
    regret = 100 * (best - np.array([course.score for course in courses])) / best
    spread = regret.std(axis=0, ddof=1) if len(courses) > 1 else np.full(regret.shape[1], np.nan)
    reached = [course.best.index(True) + 1 if course.best[-1] else np.inf for course in courses]
    middle = float(np.median(reached))
    return Finding(
        regret.mean(axis=0).tolist(),
        (spread / np.sqrt(len(courses))).tolist(),
        middle if np.isfinite(middle) else None,
        float(np.mean(np.isfinite(reached))),
        float(np.mean([np.mean(course.ask_ms[-LAST:]) for course in courses])),
        float(np.mean([course.hours[-1] for course in courses])),
        len(courses),
    )


def table(findings: Mapping[str, Finding], at: Sequence[int]) -> str:
    """Return a Markdown table: a row for each contender."""
    head = ["controller", *(f"{t}" for t in at), "to the best (share)", "ms an ask"]
    rows = [head, ["---"] * len(head)]
    for name, found in findings.items():
        figures = [f"{found.regret[t - 1]:.3f} ± {found.error[t - 1]:.3f}" for t in at]
        best = "-" if found.to_best is None else f"{found.to_best:g}"
        rows.append([name, *figures, f"{best} ({found.reached:.2f})", f"{found.ask_ms:.1f}"])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
