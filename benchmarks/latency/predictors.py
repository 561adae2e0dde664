"""Predictors of a cell's fresh networks: the latency model, and what it is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.latency.campaigns import fitted_model, full_model
from benchmarks.latency.kernels import Forests, halves
from benchmarks.latency.plan import Cell, Plan, graphs_of
from benchmarks.units import Facts
from latency.model import composition, document
from latency.model.model import LatencyModel
from search_spaces.blocks import BlockGraph
from search_spaces.operators import costs

Floats = NDArray[np.float64]

FULL, FITTED = "latency model, all blocks measured", "latency model as fitted"
DIRECT, SEQUENTIAL = "measured again by the protocol", "measured again, sequential median"
LINEAR, TREES = "MACs, affine", "gradient-boosted trees on the encoding"
KERNELS = "sum of kernels by forests, affine"


@dataclass(frozen=True)
class Said:
    """What one predictor says of networks: milliseconds [networks], and ends of its intervals.

    canary_ms: how fast the device was when it learnt; None where it cannot know.
    """

    ms: Floats
    low: Floats | None = None
    high: Floats | None = None
    canary_ms: float | None = None


def all_of(plan: Plan, cell: Cell, folder: Path, facts: dict[str, Facts]) -> dict[str, Said]:
    """Return what each predictor says of the fresh networks, by its name."""
    fit, again, kernels = (
        facts[f"{kind}-{cell.name}"] for kind in ("fit", "remeasured", "kernels")
    )
    learnt = plan.fitted(cell)
    graphs, fresh = graphs_of(learnt), graphs_of(plan.fresh(cell))
    ms = np.array([exits[-1] for exits in fit["ms"]])
    canary = fit["canary_ms"]
    return {
        FULL: of_model(document.load(full_model(folder, cell)), fresh),
        FITTED: of_model(document.load(fitted_model(folder, cell)), fresh),
        DIRECT: Said(lasts(again["ms"]), canary_ms=again["canary_ms"]),
        SEQUENTIAL: Said(lasts(again["sequential"]["ms"])),
        LINEAR: Said(affine(_macs(graphs), ms, _macs(fresh)), canary_ms=canary),
        TREES: Said(_trees(plan, cell, ms), canary_ms=canary),
        KERNELS: Said(_kernels(plan, graphs, ms, fresh, kernels), canary_ms=canary),
    }


def of_model(model: LatencyModel, graphs: Sequence[BlockGraph]) -> Said:
    """Return what a model says of the last exits."""
    said = [exits[-1] for exits in model.estimate_many(graphs)]
    return Said(
        np.array([each.latency_ms for each in said]),
        np.array([each.low_ms for each in said]),
        np.array([each.high_ms for each in said]),
        model.canary_ms,
    )


def larger_images(folder: Path, small: Cell, large: Cell, graphs: Sequence[BlockGraph]) -> Said:
    """Return what is said from the larger images' blocks and how blocks add up on small images."""
    learnt, table = (document.load(full_model(folder, cell)) for cell in (small, large))
    small_only = replace(table, composition=learnt.composition, misses=learnt.misses)
    return of_model(small_only, graphs)


def larger_half(
    plan: Plan, cell: Cell, folder: Path, again: Facts
) -> tuple[Said, NDArray[np.intp]]:
    """Learn how blocks add up from the half with fewer MACs of the fresh networks.

    Return what that says of the other half, without intervals: those of the model know large
    networks; and the places of these networks.
    """
    model, graphs = document.load(full_model(folder, cell)), graphs_of(plan.fresh(cell))
    order = np.argsort(_macs(graphs), kind="stable")
    few, many = order[: len(order) // 2], order[len(order) // 2 :]
    drift = again["canary_ms"] / model.canary_ms
    sums = [model.sums(graphs[place]) for place in few]
    found = composition.learnt(sums, [np.array(again["ms"][place]) / drift for place in few])
    said = of_model(replace(model, composition=found), [graphs[place] for place in many])
    return replace(said, low=None, high=None), many


def lasts(exits_ms: Sequence[Sequence[float]]) -> Floats:
    """Return the milliseconds of the last exits."""
    return np.array([exits[-1] for exits in exits_ms])


def affine(terms: Floats, ms: Floats, wanted: Floats) -> Floats:
    """Fit ms = a + b * term to relative errors; return it of other terms."""
    rows = np.stack([1 / ms, terms / ms], axis=1)
    a, b = np.linalg.lstsq(rows, np.ones(len(ms)), rcond=None)[0]
    said: Floats = np.maximum(a + b * wanted, 0.1 * ms.min())
    return said


def _trees(plan: Plan, cell: Cell, ms: Floats) -> Floats:
    from sklearn.ensemble import GradientBoostingRegressor

    codes, wanted = (
        np.array([cell.searched.encode(architecture) for architecture, _ in networks])
        for networks in (plan.fitted(cell), plan.fresh(cell))
    )
    trees = GradientBoostingRegressor(random_state=plan.seed).fit(codes, np.log(ms))
    return np.asarray(np.exp(trees.predict(wanted)))


def _kernels(
    plan: Plan,
    graphs: Sequence[BlockGraph],
    ms: Floats,
    fresh: Sequence[BlockGraph],
    measured: Facts,
) -> Floats:
    chosen = halves([*graphs, *fresh], plan.seed)
    assert [key.text for _, key in chosen] == measured["texts"], "other kernels were measured"
    forests = Forests.grown(list(zip(chosen, measured["ms"], strict=True)), plan.seed)
    return affine(forests.sums(graphs), ms, forests.sums(fresh))


def _macs(graphs: Sequence[BlockGraph]) -> Floats:
    return np.array([costs(graph).lazy_macs[-1] for graph in graphs], dtype=np.float64)
