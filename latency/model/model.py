"""The latency model: a table of measured blocks, a guess for others, and how they add up."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from latency.blocks import LAYOUTS, BlockKey, Named, every, layouts, traced, walk
from latency.fingerprint import Fingerprint
from latency.model import work
from latency.model.composition import Composition, Sums
from latency.model.errors import Errors
from latency.model.prior import Prior
from latency.model.work import Work
from latency.source import How, LatencyEstimate, PerExit
from search_spaces.blocks import IMAGE, BlockGraph, BlockSpec

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A measured block: milliseconds without the cost of calling the runtime, and its work.

    Its time is the mean over the networks in which it was measured. ``own``: whether it leaves its
    answer in the runtime's own layout.
    """

    ms: float
    work: Work
    own: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What a model was fitted on. It prices other networks too, with what it then has to guess."""

    space: str
    image: tuple[int, int, int]
    classes: int


class Share(NamedTuple):
    """The part of a block in the latency of the last exit; ``exit``: the first that needs it."""

    exit: int
    block: str
    kind: str
    ms: float
    how: str


class _Priced(NamedTuple):
    ms: float
    guessed_ms: float
    output: Shape
    own: bool


@dataclass(frozen=True, slots=True)
class Misses:
    """Half-widths of 90 % intervals of the logarithm of a latency.

    ``last``, ``early``: where all blocks were measured, at the last exit and at those before it.
    ``guessed``: of a network all of whose blocks are guessed. Misses of blocks even out, so that of
    a share of them counts with its root.
    """

    last: float
    early: float
    guessed: float

    def half_widths(self, shares: Sequence[float]) -> list[float]:
        """Return the half-width at each exit, of whose time such a share is guessed."""
        known = [self.early] * (len(shares) - 1) + [self.last]
        return [
            max(miss, math.sqrt(share) * self.guessed)
            for miss, share in zip(known, shares, strict=True)
        ]


@dataclass(frozen=True)
class LatencyModel:
    """Estimates from what was measured once; it never measures itself.

    ``table``: measured blocks by the text of their keys. ``canary_ms``: how fast the device was.
    ``errors``: of networks that it was fitted to, each foretold by the others, with all blocks
    measured; ``errors_guessed``: with only those blocks measured that the others have, too.
    ``made``: when, as an ISO time, and how, for the record.
    """

    fingerprint: Fingerprint
    scope: Scope
    table: Mapping[str, Row]
    composition: Composition
    misses: Misses
    canary_ms: float
    errors: Errors
    errors_guessed: Errors
    made: Mapping[str, Any]
    _plain: Mapping[str, Row] = field(init=False, repr=False, compare=False)
    _prices: dict[tuple[BlockSpec, tuple[Shape, ...], tuple[bool, ...]], _Priced] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        # A block that was measured in other layouts is known all the same.
        plain = {text.rsplit(LAYOUTS, 1)[0]: row for text, row in self.table.items()}
        object.__setattr__(self, "_plain", plain)
        object.__setattr__(self, "_prices", {})

    @cached_property
    def _prior(self) -> Prior:
        """Made when a block is met that was not measured: it takes a while."""
        rows = tuple(self.table.values())
        return Prior(tuple(row.work for row in rows), np.array([row.ms for row in rows]))

    @property
    def name(self) -> str:
        return str(self.fingerprint["runtime"])

    @property
    def device(self) -> str:
        return str(self.fingerprint["device"])

    def estimate(self, graph: BlockGraph, seed: int = 0) -> PerExit:
        """Return the latency of each exit with its 90 % interval; the seed changes nothing.

        ``how`` is ``table`` where all blocks up to the exit were measured, else ``extrapolated``.
        """
        return self._estimated(self.sums(graph))

    def estimate_many(self, graphs: Sequence[BlockGraph], seed: int = 0) -> tuple[PerExit, ...]:
        """Return the estimates of each network."""
        found = [self._priced(graph) for graph in graphs]
        pairs = list(zip(graphs, found, strict=True))
        self._price_all([graph for graph, sums in pairs if sums is None])
        return tuple(self._estimated(sums or self.sums(graph)) for graph, sums in pairs)

    def _estimated(self, sums: Sums) -> PerExit:
        times = self.composition.ms(sums)
        guessed = list(accumulate(sums.guessed_ms))
        wholes = accumulate(sums.block_ms)
        shares = [part / whole for part, whole in zip(guessed, wholes, strict=True)]
        factors = [math.exp(width) for width in self.misses.half_widths(shares)]
        lows, highs = _growing(times, factors)
        hows: list[How] = ["extrapolated" if part else "table" for part in guessed]
        return tuple(map(LatencyEstimate, times, lows, highs, hows))

    def conditions(self) -> dict[str, Any]:
        """Return fingerprint, what an estimate is, and under ``model`` how good the model is."""
        return {
            **self.fingerprint,
            "statistic": "predicted from a table of blocks",
            "model": {
                **self.errors.as_json(),
                "guessed": self.errors_guessed.as_json(),
                "blocks": len(self.table),
                "scope": asdict(self.scope),
                **self.made,
            },
        }

    def explain(self, graph: BlockGraph) -> tuple[Share, ...]:
        """Return what each block adds to the estimate of the last exit; the parts add up to it.

        What a stage costs beyond its blocks is laid on them by their times.
        """
        steps = np.diff(self.composition.ms(self.sums(graph)), prepend=0.0)
        shares = []
        for stage, (step, found) in enumerate(zip(steps, self.walk(graph), strict=True), 1):
            prices = [self._prices[key] for _, key in found]
            total = sum(price.ms for price in prices)
            for (name, key), price in zip(found, prices, strict=True):
                ms = float(step) * price.ms / total
                how = "extrapolated" if price.guessed_ms else "table"
                shares.append(Share(stage, name, type(key.spec).__name__, ms, how))
        return tuple(shares)

    def missing(self, graphs: Iterable[BlockGraph]) -> tuple[BlockKey, ...]:
        """Return the blocks of these networks that were not measured, each once."""
        keys = every(graphs, self.answers_in_own)
        return tuple(key for key in keys if self._row(key) is None)

    def walk(self, graph: BlockGraph) -> tuple[Named, ...]:
        """Return of each stage of a network the blocks, named, in the layouts of the device."""
        return walk(graph, self.answers_in_own)

    def sums(self, graph: BlockGraph) -> Sums:
        """Return what the blocks of each stage of a network come to."""
        found = self._priced(graph)
        if found is None:
            self._price_all([graph])
            found = self._priced(graph)
        assert found is not None, "all blocks have a price by now"
        return found

    def _priced(self, graph: BlockGraph) -> Sums | None:
        """The sums of a network whose blocks all have a price; None where one has not."""
        shapes: dict[str, Shape] = {IMAGE: graph.image}
        prices = self._prices
        block_ms, guesses, counts = [], [], []
        stages, handed_on = graph.lazy_nodes_and_state()
        for nodes in stages:
            ms = guessed = 0.0
            own: set[str] = set()
            for node in nodes:
                inputs = tuple([shapes[name] for name in node.inputs])
                # A plain tuple finds what a BlockKey does, and is made faster.
                price = prices.get((node.spec, inputs, layouts(node.inputs, own) if own else ()))
                if price is None:
                    return None
                shapes[node.name] = price.output
                if price.own:
                    own.add(node.name)
                ms += price.ms
                guessed += price.guessed_ms
            block_ms.append(ms)
            guesses.append(guessed)
            counts.append(len(nodes))
        return Sums(block_ms, guesses, counts, handed_on)

    def _price_all(self, graphs: Iterable[BlockGraph]) -> None:
        """Price the blocks of networks together: one guess of many costs as much as of one."""
        keys = [k for k in every(graphs, self.answers_in_own) if k not in self._prices]
        unknown = [key for key in keys if self._row(key) is None]
        guessed = dict(zip(unknown, self._guessed(unknown), strict=True))
        for key in keys:
            row, foretold = self._row(key), guessed.get(key, 0.0)
            ms = foretold if row is None else row.ms
            own = self.answers_in_own(key)
            self._prices[key] = _Priced(ms, foretold, traced(key).output, own)

    def _row(self, key: BlockKey) -> Row | None:
        return self.table.get(key.text)

    def answers_in_own(self, key: BlockKey) -> bool:
        """Return whether a block leaves its answer in the runtime's own layout, if known."""
        price = self._prices.get(key)
        known = price or self._row(key) or self._plain.get(key.plain.text)
        return known is not None and known.own

    def _guessed(self, keys: Sequence[BlockKey]) -> list[float]:
        """Milliseconds of blocks that were not measured, or only in other layouts."""
        if not keys:
            return []
        said = self._prior.ms([work.of_block(key) for key in keys])
        near = [self._plain.get(key.plain.text) for key in keys]
        return [float(ms) if row is None else row.ms for ms, row in zip(said, near, strict=True)]


def _growing(times: Sequence[float], factors: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the ends of the intervals, times / factors and times * factors.

    They are widened where needed so that they grow from exit to exit like the latency.
    """
    lows = [ms / factor for ms, factor in zip(times, factors, strict=True)]
    highs = [ms * factor for ms, factor in zip(times, factors, strict=True)]
    for later in range(1, len(times)):
        highs[later] = max(highs[later], highs[later - 1] * (1 + 1e-9))
    for later in range(len(times) - 1, 0, -1):
        lows[later - 1] = min(lows[later - 1], lows[later] * (1 - 1e-9))
    return lows, highs
