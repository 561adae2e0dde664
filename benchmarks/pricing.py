"""Claim: decisions become an estimate of latency 2,000 times a second, where blocks are known.

Run: OMP_NUM_THREADS=1 python -m benchmarks.pricing [SPACE ...]
(a minute or two on one core, most of it for tracing; without names: msd and mnasnet)

Draws architectures of each space and prices them once, which traces their blocks and fills every
cache. Then five rounds price the same ones again, and the medians are given: from decisions to
blocks (``space.blocks``), from blocks to latency (``LatencyModel.estimate``), both, and
``operators.costs`` for comparison, since it does little but add up: the ratio to it says on a busy
or other machine what architectures a second do not. Times are those of the CPU. The model has a row
for half of the blocks, with times that the law of the runtime ``macs`` makes up; prices are looked
up the same way whatever they are.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from numpy.random import default_rng

from latency.blocks import every, traced
from latency.macs import stage_ms
from latency.model import work
from latency.model.composition import Composition
from latency.model.cross_validation import NONE
from latency.model.model import LatencyModel, Misses, Row, Scope
from nas import plugins
from search_spaces.blocks import BlockGraph
from search_spaces.operators import costs

SPACES = ("msd", "mnasnet")
NETWORKS, ROUNDS = 500, 5
IMAGE, CLASSES = (3, 32, 32), 10


def model_of(graphs: Sequence[BlockGraph], space: str) -> LatencyModel:
    """Return a model with a row for every other block of these networks."""
    keys = every(graphs, lambda key: False)[::2]
    return LatencyModel(
        fingerprint={"runtime": "macs", "device": "simulated"},
        scope=Scope(space, IMAGE, CLASSES),
        table={key.text: Row(stage_ms(traced(key).operators), work.of_block(key)) for key in keys},
        composition=Composition(1.01, 0.001, 0.01),
        misses=Misses(0.02, 0.03, 0.1),
        canary_ms=1.0,
        errors=NONE,
        errors_guessed=NONE,
        made={},
    )


def rates(name: str, networks: int = NETWORKS, rounds: int = ROUNDS) -> dict[str, float]:
    """Return architectures a second by what is done with them."""
    space, rng = plugins.space(name), default_rng(0)
    drawn = [space.sample(rng) for _ in range(networks)]
    graphs = [space.blocks(architecture, IMAGE, CLASSES) for architecture in drawn]
    model = model_of(graphs, name)
    model.estimate_many(graphs)

    def both() -> None:
        for architecture in drawn:
            model.estimate(space.blocks(architecture, IMAGE, CLASSES))

    def blocks() -> None:
        for architecture in drawn:
            space.blocks(architecture, IMAGE, CLASSES)

    def estimates() -> None:
        for graph in graphs:
            model.estimate(graph)

    def sums() -> None:
        for graph in graphs:
            costs(graph)

    parts = {"blocks": blocks, "estimate": estimates, "both": both, "costs": sums}
    seconds: dict[str, list[float]] = {part: [] for part in parts}
    for _ in range(rounds):
        for part, work_of in parts.items():
            seconds[part].append(_cpu_seconds(work_of))
    return {part: networks / median(times) for part, times in seconds.items()}


def _cpu_seconds(work_of: Callable[[], None]) -> float:
    start = time.process_time()
    work_of()
    return time.process_time() - start


def report(spaces: Sequence[str], networks: int = NETWORKS, rounds: int = ROUNDS) -> Iterator[str]:
    """Yield a table: architectures a second, in brackets as a multiple of ``costs``."""
    parts = ("blocks", "estimate", "both", "costs")
    yield f"architectures a second ({networks} of each space, median of {rounds} rounds, CPU time)"
    yield f"{'space':>10}" + "".join(f"{part:>18}" for part in parts)
    for name in spaces:
        found = rates(name, networks, rounds)
        cells = (f"{found[part]:>10.0f} ({found[part] / found['costs']:.2f})" for part in parts)
        yield f"{name:>10}" + "".join(f"{cell:>18}" for cell in cells)


if __name__ == "__main__":
    for line in report(sys.argv[1:] or SPACES):
        print(line, flush=True)
