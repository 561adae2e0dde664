"""What is measured of a cell: every function here is the work of a unit, in a process of its own.

Each returns the facts of its campaigns and writes models and raw samples beside them, under names
that begin with that of the unit.
"""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.latency.kernels import halves
from benchmarks.latency.plan import Cell, Network, Plan, graphs_of
from benchmarks.latency.taken import blocks_ms, exits_ms, went
from benchmarks.units import Facts
from latency import baselines, host, samples
from latency.bench import LocalBench, noises
from latency.model import document, extending, fitting
from latency.model.model import Scope
from latency.runtimes.runtime import Piece
from search_spaces.blocks import BlockGraph

FEWEST_PASSES = 5
WARM_UP = 10
KINDS = {"remeasured": 1, "truth": 2}
"""Campaigns of the fresh networks, and what sets their seeds apart."""


def alone(work: Callable[..., Facts], *given: Any) -> Facts:
    """Do work in a new process, which ends with it."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(work, *given).result()


def fit(plan: Plan, cell: Cell, folder: Path) -> Facts:
    """Fit a model to random networks; then measure those blocks of the fresh ones that it lacks."""
    bench, start = plan.bench(), time.monotonic()
    networks = plan.fitted(cell)
    graphs, beside = graphs_of(networks), graphs_of(() if cell.large else plan.beside(cell))
    drawn = time.monotonic()
    scope = Scope(cell.space, cell.image, graphs[0].classes)
    found = fitting.fit_to(bench, graphs, beside, scope, plan.seed)
    fitted = time.monotonic()
    samples.write(folder / f"fit-{cell.name}-samples.parquet", found.names, found.batch)
    document.save(found.model, fitted_model(folder, cell))
    fresh = graphs_of(plan.fresh(cell))
    missing, begun = len(found.model.missing(fresh)), time.monotonic()
    larger = extending.extend(found.model, bench, fresh, plan.seed + 1)
    document.save(larger, full_model(folder, cell))
    count = len(graphs)
    return {
        "conditions": bench.fingerprint(),
        "keys": _keys(networks),
        "ms": exits_ms(found.batch)[:count],
        "noise": float(np.median(noises(found.batch)[:count])),
        "model": found.model.errors.as_json(),
        "model_guessed": found.model.errors_guessed.as_json(),
        "blocks": len(found.model.table),
        "drawing_s": round(drawn - start, 1),
        "fit_s": round(fitted - drawn, 1),
        "missing": missing,
        "extend_s": round(time.monotonic() - begun, 1),
        **went(found.batch),
    }


def kernels(plan: Plan, cell: Cell, folder: Path) -> Facts:
    """Measure half of the distinct kernels of the fitted and the fresh networks, by themselves."""
    bench = plan.bench()
    graphs = graphs_of([*plan.fitted(cell), *plan.fresh(cell)])
    chosen = halves(graphs, plan.seed)
    ms, batch = blocks_ms(bench, [key for _, key in chosen], graphs[0].norm, plan.seed + 3)
    return {"ms": ms, "texts": [key.text for _, key in chosen], **went(batch)}


def remeasured(plan: Plan, cell: Cell, folder: Path) -> Facts:
    """Measure the fresh networks directly, by the protocol and as is usually done."""
    return _measured(plan, cell, folder, "remeasured")


def truth(plan: Plan, cell: Cell, folder: Path) -> Facts:
    """Measure the fresh networks once more, a good while after everything else of the cell."""
    time.sleep(max(0.0, _finished(folder, cell) + plan.apart_s - time.time()))
    return _measured(plan, cell, folder, "truth")


def fitted_model(folder: Path, cell: Cell) -> Path:
    """Return where the model is: as it was fitted."""
    return folder / f"fit-{cell.name}-model.json"


def full_model(folder: Path, cell: Cell) -> Path:
    """Return where the model is that has the blocks of the fresh networks too."""
    return folder / f"fit-{cell.name}-full-model.json"


def _measured(plan: Plan, cell: Cell, folder: Path, kind: str) -> Facts:
    bench, networks = plan.bench(), plan.fresh(cell)
    graphs, seed = graphs_of(networks), plan.seed + 10 * KINDS[kind]
    pieces = [Piece.network(graph) for graph in graphs]
    batch = bench.measure(pieces, seed, bench.protocol.patient())
    samples.write(folder / f"{kind}-{cell.name}-samples.parquet", _keys(networks), batch)
    return {
        "conditions": bench.fingerprint(),
        "keys": _keys(networks),
        "ms": exits_ms(batch),
        "noises": [round(float(each), 5) for each in noises(batch)],
        "sequential": _sequential(plan, bench, graphs, seed),
        **went(batch),
    }


def _sequential(plan: Plan, bench: LocalBench, graphs: Sequence[BlockGraph], seed: int) -> Facts:
    """The usual practice: each network by itself, warmed up, then the median of passes in a row."""
    before, start = host.load_average(), time.monotonic()
    ms: list[tuple[float, ...]] = []
    counts = []
    with bench.lane.measuring() if bench.runtime.shares_host else nullcontext():
        for graph in graphs:
            item = bench.runtime.prepare(Piece.network(graph), seed)
            try:
                every = len(item.parts)
                item.run(every)
                affordable = int(plan.seconds * 1e3 / max(sum(item.run(every)), 1e-3))
                passes = max(FEWEST_PASSES, min(plan.passes, affordable))
                warm_up = max(1, min(WARM_UP, affordable - passes))
                ms += baselines.sequential_median([item], passes, warm_up)
                counts.append(passes)
            finally:
                item.close()
    return {
        "ms": [list(exits) for exits in ms],
        "passes": [min(counts), max(counts)],
        "seconds": round(time.monotonic() - start, 1),
        "load_before": before,
        "load_after": host.load_average(),
    }


def _finished(folder: Path, cell: Cell) -> float:
    kinds = ("fit",) if cell.large else ("fit", "remeasured")
    documents = [json.loads((folder / f"{kind}-{cell.name}.json").read_text()) for kind in kinds]
    return max(float(each["facts"]["finished"]) for each in documents)


def _keys(networks: Sequence[Network]) -> list[str]:
    return [architecture.key for architecture, _ in networks]
