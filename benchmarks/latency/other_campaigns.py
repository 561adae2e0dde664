"""What is measured beside the cells: operators, families, early exits, the speed of estimates."""

import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.latency.campaigns import full_model
from benchmarks.latency.operators import Moving, grid
from benchmarks.latency.plan import CLASSES, Cell, Plan, drawn, graphs_of
from benchmarks.latency.taken import blocks_ms, exits_ms, went
from benchmarks.units import Facts
from latency import exit_profile
from latency.bench import LocalBench
from latency.blocks import BlockKey
from latency.model import document, work
from latency.runtimes.runtime import Piece, Rearranging
from search_spaces.blocks import Norm
from search_spaces.operators import costs

SHRINKING = 0.6
"""Of the images that come to an exit and the next one, how many times as many leave at the next."""
SPEED_NETWORKS = 200
SPEED_REPEATS = 5


def operators(plan: Plan, folder: Path) -> Facts:
    """Measure single operators over a grid: milliseconds, MACs and megabytes of each.

    Where the runtime keeps a layout of its own between blocks, inputs and answers are in it.
    """
    bench, kinds = plan.bench(), grid()
    keys = [_laid_out(bench, key) for each in kinds.values() for key in each]
    ms, batch = blocks_ms(bench, keys, Norm(), plan.seed)
    names = [kind for kind, each in kinds.items() for _ in each]
    rows = [
        {
            "kind": kind,
            "block": key.text,
            "ms": taken,
            "million_macs": sum(work.of_block(key).macs),
            "megabytes": work.of_block(key).moved_mb,
        }
        for kind, key, taken in zip(names, keys, ms, strict=True)
    ]
    return {"conditions": bench.fingerprint(), "rows": rows, **went(batch)}


def _laid_out(bench: LocalBench, key: BlockKey) -> BlockKey:
    """The operator on inputs in the runtime's own layout, where it would answer in that too.

    An addition comes as it is: a runtime makes it part of the convolution before it.
    """
    own, runtime = (True,) * len(key.shapes), bench.runtime
    if key.spec == Moving("add") or not isinstance(runtime, Rearranging):
        return key
    piece = Piece.block(key.spec, key.shapes, Norm(), own)
    return BlockKey(key.spec, key.shapes, own) if runtime.answers_in_own(piece) else key


def family(plan: Plan, cell: Cell, folder: Path) -> Facts:
    """Measure random networks of a search space: how well their MACs rank them."""
    bench = plan.bench()
    graphs = graphs_of(drawn(cell, plan.seed, "family", plan.family))
    batch = bench.measure([Piece.network(graph) for graph in graphs], plan.seed)
    ms = [exits[-1] for exits in exits_ms(batch)]
    macs = [costs(graph).lazy_macs[-1] for graph in graphs]
    return {"ms": ms, "macs": macs, "spearman": float(spearmanr(macs, ms)[0]), **went(batch)}


def exits(plan: Plan, cell: Cell, folder: Path) -> Facts:
    """Measure networks with early exits as images take them, exits in mixed order.

    Each exit is taken by ``SHRINKING`` times as many images as the one before.
    """
    bench, model = plan.bench(), document.load(full_model(folder, cell))
    rows, facts = [], []
    for architecture, graph in plan.leaving(cell):
        weights = SHRINKING ** np.arange(len(graph.exits))
        shares = [float(each) for each in weights / weights.sum()]
        usual = exit_profile.usual(bench.protocol).patient()
        protocol = bench.protocol if plan.rounds else usual
        found = exit_profile.measure(bench, graph, shares, seed=plan.seed, protocol=protocol)
        rows.append(
            {
                "key": architecture.key,
                "shares": shares,
                "said_ms": [exit_.latency_ms for exit_ in model.estimate(graph)],
                "mixed_ms": [exit_.latency_ms for exit_ in found.exits],
                "fixed_ms": [exit_.fixed_ms for exit_ in found.exits],
                "expected_ms": found.undisturbed.expected_ms,
                "noise": found.undisturbed.noise,
            }
        )
        facts.append(found.facts)
    return {
        "conditions": bench.fingerprint(),
        "networks": rows,
        "model_canary_ms": model.canary_ms,
        "canary_ms": float(np.median([each["canary_ms"] for each in facts])),
        "restlessness": max(each["restlessness"] for each in facts),
        "load_before": facts[0]["load_before"],
        "load_after": facts[-1]["load_after"],
        "seconds": round(sum(each["seconds"] for each in facts), 1),
        "campaign_noise": float(np.median([row["noise"] for row in rows])),
        "finished": time.time(),
    }


def speed(plan: Plan, cell: Cell, folder: Path) -> Facts:
    """Time estimates from decisions to milliseconds, every block having been met before."""
    model, space = document.load(full_model(folder, cell)), cell.searched
    count = min(SPEED_NETWORKS, 4 * plan.networks)
    networks = drawn(cell, plan.seed, "speed", count)
    choices = [architecture.decisions() for architecture, _ in networks]
    taken = []
    for _ in range(SPEED_REPEATS + 1):
        start = time.perf_counter()
        found = [space.architecture(each) for each in choices]
        model.estimate_many([space.blocks(each, cell.image, CLASSES) for each in found])
        taken.append(time.perf_counter() - start)
    return {"networks": count, "per_second": count / min(taken[1:])}
