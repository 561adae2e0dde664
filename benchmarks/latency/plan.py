"""What the benchmark of latencies measures: its cells, its networks, and with how much effort."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np

from latency import sources
from latency.bench import LocalBench
from latency.model.fitting import MORE
from nas import plugins
from nas.errors import UserError
from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockGraph
from search_spaces.operators import costs
from search_spaces.space import SearchSpace

CLASSES = 10
LARGE_MB = (5.0, 20.0)
"""Weights of large networks: more than the caches of one core."""
WIDEST = 3.0
"""Networks are widened by no more than this to become large."""
MOST_MACS = 1e9
IN_VAIN = 2000
"""Draws that repeat a network, or cannot be made large, before a space is taken for too small."""

Network = tuple[Architecture, BlockGraph]


@dataclass(frozen=True, slots=True)
class Cell:
    """A search space and an image size in pixels, such as ``msd-32``. ``large``: see LARGE_MB."""

    space: str
    pixels: int
    large: bool = False

    @classmethod
    def named(cls, name: str) -> "Cell":
        """Return the cell of a name such as ``msd-32``. Raises UserError where there is none."""
        space, _, pixels = name.rpartition("-")
        if not pixels.isdigit() or int(pixels) < 1:
            raise UserError(f"no cell {name!r}: give a search space and pixels, such as msd-32")
        plugins.space(space)
        return cls(space, int(pixels))

    @property
    def name(self) -> str:
        """The name in files and tables."""
        return f"{self.space}-large" if self.large else f"{self.space}-{self.pixels}"

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return (3, self.pixels, self.pixels)

    @property
    def searched(self) -> SearchSpace:
        """The search space itself."""
        return plugins.space(self.space)


@dataclass(frozen=True)
class Plan:
    """How much is measured, on which bench.

    samples: networks that a model is fitted on. more: those whose blocks are measured beside
    theirs. networks: fresh ones of a cell. large: of a cell of large networks, fitted and fresh.
    family: of each search space, for rank correlations. exits: networks with early exits.
    passes, seconds: of the sequential median, at most. apart_s: seconds between two measurements
    of the same networks, at least. rounds: where given, of every campaign. make: gives the bench.
    """

    runtime: str
    cells: tuple[str, ...]
    seed: int = 0
    samples: int = 20
    more: int = MORE
    networks: int = 50
    large: tuple[int, int] = (30, 10)
    family: int = 20
    exits: int = 12
    passes: int = 50
    seconds: float = 5.0
    apart_s: float = 600.0
    rounds: int | None = None
    make: Callable[[str], Any] = field(default=sources.bench, repr=False)

    def settings(self) -> dict[str, Any]:
        """Return what decides results, as JSON values; which cells there are besides does not."""
        left_out = ("make", "cells", "apart_s")
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def bench(self) -> LocalBench:
        """Make the bench."""
        bench: LocalBench = self.make(self.runtime)
        if self.rounds:
            # Without time between rounds campaigns are not patient either.
            rounds = {"rounds": self.rounds, "most_rounds": self.rounds}
            brief = replace(bench.protocol, apart_s=0.0, **rounds)
            bench.runtime.protocol = brief  # type: ignore[misc]
        return bench

    def fitted(self, cell: Cell) -> tuple[Network, ...]:
        """Return the networks that the model of a cell is fitted on."""
        return drawn(cell, self.seed, "fitted", self.large[0] if cell.large else self.samples)

    def beside(self, cell: Cell) -> tuple[Network, ...]:
        """Return the networks whose blocks are measured with theirs."""
        return drawn(cell, self.seed, "beside", self.more)

    def fresh(self, cell: Cell) -> tuple[Network, ...]:
        """Return networks that no model was fitted on, nor on their blocks together."""
        count = self.large[1] if cell.large else self.networks
        seen = self.fitted(cell) + self.beside(cell)
        keys = {architecture.key for architecture, _ in seen}
        found = drawn(cell, self.seed, "fresh", count + len(seen))
        return tuple(each for each in found if each[0].key not in keys)[:count]

    def leaving(self, cell: Cell) -> tuple[Network, ...]:
        """Return the first of the fresh networks that have early exits."""
        return tuple(each for each in self.fresh(cell) if len(each[1].exits) > 1)[: self.exits]


@lru_cache(maxsize=64)
def drawn(cell: Cell, seed: int, part: str, count: int) -> tuple[Network, ...]:
    """Return ``count`` different random networks; ``part`` names an independent stream of them.

    Raises UserError where the space has hardly as many.
    """
    rng = np.random.default_rng([seed, crc32(f"{cell.name} {part}".encode())])
    found: dict[str, Network] = {}
    for _ in range(count + IN_VAIN):
        if len(found) == count:
            return tuple(found.values())
        if network := _tried(cell, rng):
            found.setdefault(network[0].key, network)
    raise UserError(f"cell {cell.name}: found only {len(found)} of {count} different networks")


def graphs_of(networks: Sequence[Network]) -> list[BlockGraph]:
    """Return the blocks of networks."""
    return [graph for _, graph in networks]


def megabytes(graph: BlockGraph) -> float:
    """Return the megabytes of a network's weights, 4 bytes each."""
    return costs(graph).parameters * 4 / 1e6


def _tried(cell: Cell, rng: np.random.Generator) -> Network | None:
    """Draw a network; None where it is to be large and cannot be made so."""
    space = cell.searched
    architecture = space.sample(rng)
    graph = space.blocks(architecture, cell.image, CLASSES)
    if not cell.large or _is_large(graph):
        return architecture, graph
    # Weights grow with the square of widths.
    wanted = float(np.exp(rng.uniform(*np.log(LARGE_MB))))
    factor = (wanted / megabytes(graph)) ** 0.5
    if not 1 < factor <= WIDEST:
        return None
    architecture = space.scaled(architecture, factor)
    graph = space.blocks(architecture, cell.image, CLASSES)
    return (architecture, graph) if _is_large(graph) else None


def _is_large(graph: BlockGraph) -> bool:
    small_enough = costs(graph).lazy_macs[-1] <= MOST_MACS
    return LARGE_MB[0] <= megabytes(graph) <= LARGE_MB[1] and small_enough
