"""What the soft reward, the hard reward and the Pareto front sample, all at one target latency."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.tabular.searching import Course
from benchmarks.tabular.task import Task
from nas.rewards import Reward

EDGES = (0.5, 0.8, 1.0, 1.25, 2.0)
"""Latencies, in targets, between the bars of the histogram."""
WITHIN = (0.5, 0.8, 1.0, 2.0)
"""Latencies, in targets, within which the best network of a search is looked for."""


def tasks(task: Task) -> dict[str, Task]:
    """Return the task with each objective; it needs a reward, whose target they share."""
    assert task.reward is not None, "objectives are compared at the target of a reward"
    hard = Reward.hard(task.reward.target_ms)
    return {
        "soft": task,
        "hard": replace(task, reward=hard),
        "pareto": replace(task, reward=None),
    }


def table(task: Task, courses: Mapping[tuple[str, str], Sequence[Course]]) -> str:
    """Return a Markdown table of what was trained: a row an objective and contender.

    courses: by objective and contender. Shares are of all trained networks, accuracies by the
    score: of the most accurate network within a latency, mean over the searches that have one.
    """
    assert task.latency is not None, "they are compared by latency"
    assert task.reward is not None, "they are compared at a target"
    relative = task.latency / task.reward.target_ms
    bounds = [f"to {edge:g} T" for edge in EDGES] + ["above"]
    head = ["objective", "controller", "at most T", *bounds, *(f"best to {w:g} T" for w in WITHIN)]
    rows = [[*head, "hypervolume regret %"], ["---"] * (len(head) + 1)]
    plane = replace(task, reward=None)
    whole = plane.volume(task.rows().tolist())
    for (objective, contender), of_one in courses.items():
        trained = np.concatenate([relative[course.rows] for course in of_one])
        counts = np.bincount(np.searchsorted(EDGES, trained), minlength=len(bounds))
        best = [_best(task, relative, of_one, within) for within in WITHIN]
        volumes = [plane.volume(course.rows) for course in of_one]
        rows.append(
            [
                objective,
                contender,
                f"{np.mean(trained <= 1):.0%}",
                *(f"{count / len(trained):.0%}" for count in counts),
                *("-" if np.isnan(each) else f"{each:.4g}" for each in best),
                f"{100 * (1 - np.mean(volumes) / whole):.2f}",
            ]
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _best(task: Task, relative: np.ndarray, courses: Sequence[Course], within: float) -> float:
    """Mean over searches of the score of the most accurate network within a latency."""
    found = []
    for course in courses:
        rows = np.array(course.rows)
        rows = rows[relative[rows] <= within]
        found += [task.score[rows].max()] if len(rows) else []
    return float(np.mean(found)) if found else float("nan")
