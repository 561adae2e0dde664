"""From the options of the command line to what is searched."""

import argparse

import numpy as np
from numpy.typing import NDArray

from benchmarks.tabular import objectives
from benchmarks.tabular.task import REWARD, Task
from nas.errors import UserError
from nas.rewards import Reward
from nas.tabular import Table, TableSpace

SIZES = ("flops", "macs", "params")


def task(given: argparse.Namespace) -> Task:
    """Return the task. Raises UserError for a table that lacks what is asked for."""
    whole = Table(given.table)
    choices = whole.choices(given.choices)
    _refuse_lengths(given, whole, len(choices))
    space = TableSpace(choices, whole.classes(given.same) if given.same else None)
    if given.trials > (networks := len(np.unique(space.canonical))):
        raise UserError(f"--trials {given.trials}: the table has {networks:,} networks")
    latency = whole.latency(given.latency) if given.latency else None
    reward = None
    if latency is None and given.pareto:
        raise UserError("--pareto needs --latency")
    if latency is not None and not given.pareto:
        target = float(np.quantile(latency, given.target_quantile))
        reward = Reward.hard(target) if given.hard else Reward.soft(target, given.w)
    used = {given.latency, given.score, given.same, *given.observe.split(",")}
    known = [whole.column(name) for name in _known(whole, given.known, used)]
    score = whole.column(given.score)
    return Task(
        space,
        _observed(whole, given.observe, np.unique(space.canonical)),
        score,
        latency,
        reward,
        np.stack(known, axis=1) if known else np.zeros((len(score), 0)),
        whole.column(given.seconds) if given.seconds else np.ones(len(score)),
    )


def tasks(given: argparse.Namespace, whole: Task) -> dict[str, Task]:
    """Return what to search by objective. Raises UserError where objectives have no target."""
    if not given.objectives:
        return {whole.kind: whole}
    if whole.kind != REWARD or given.hard:
        raise UserError("--objectives needs --latency, and neither --pareto nor --hard")
    return objectives.tasks(whole)


def _refuse_lengths(given: argparse.Namespace, whole: Table, rows: int) -> None:
    """Raise UserError for a column that has other rows than the choices."""
    sizes = _known(whole, given.known, set())
    columns = (given.score, given.same, given.latency, given.seconds, *given.observe.split(","))
    for name in filter(None, (*columns, *sizes)):
        if (found := whole.rows(name)) != rows:
            raise UserError(
                f"{whole.path}: {name} has {found:,} rows, {given.choices} has {rows:,}"
            )


def _known(whole: Table, names: str, used: set[str]) -> list[str]:
    """The columns that are known before training: sizes, where nobody says which.

    used: columns that stand for something else.
    """
    if names == "auto":
        sizes = (name for name in whole.names if name.startswith(SIZES) and name not in used)
        return [name for name in sizes if whole.has_numbers(name)]
    return [name for name in names.split(",") if name not in ("", "none")]


def _observed(whole: Table, names: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The accuracies by seed; `rows` are those that stand for networks."""
    found = np.stack([whole.column(name, gaps=True) for name in names.split(",")], axis=1)
    if never := int((~np.isfinite(found[rows])).all(axis=1).sum()):
        raise UserError(f"{whole.path}: {never} networks have no finite number in any of {names}")
    return found
