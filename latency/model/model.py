"""The latency model: a table of measured blocks, a guess for others, and how they add up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latency.fingerprint import Fingerprint
from latency.model import work
from latency.model.adding import Adding, Sums
from latency.model.errors import Errors
from latency.model.prior import Prior
from latency.model.work import BlockKey, Work
from latency.source import LatencyEstimate, PerExit
from search_spaces.blocks import IMAGE, BlockGraph

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A measured block: milliseconds without the cost of calling the runtime, noise, its work."""

    ms: float
    noise: float
    work: Work


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
    measured: bool
    weights_mb: float
    widest_mb: float
    output: Shape


@dataclass(frozen=True)
class LatencyModel:
    """Estimates from what was measured once; it never measures itself.

    ``table``: measured blocks by the text of their keys. ``unsure``: half-width of the 90 %
    interval (of the logarithm) of a network all of whose blocks are guessed. ``canary_ms``: how
    fast the device was. ``made``: when, as an ISO time, and how, for the record.
    """

    fingerprint: Fingerprint
    scope: Scope
    table: Mapping[str, Row]
    adding: Adding
    unsure: float
    canary_ms: float
    errors: Errors
    made: Mapping[str, Any]
    _prior: Prior = field(init=False, repr=False, compare=False)
    _prices: dict[BlockKey, _Priced] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rows = tuple(self.table.values())
        prior = Prior(tuple(row.work for row in rows), np.array([row.ms for row in rows]))
        object.__setattr__(self, "_prior", prior)
        object.__setattr__(self, "_prices", {})

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
        sums, guessed = self.sums(graph)
        found = []
        for exit_, ms in enumerate(self.adding.ms(sums)):
            share = float(guessed[exit_] / sums.block_ms[exit_])
            last = exit_ == len(guessed) - 1
            half = float(
                np.hypot(self.adding.last if last else self.adding.early, share * self.unsure)
            )
            low, high = float(ms * np.exp(-half)), float(ms * np.exp(half))
            how: Any = "extrapolated" if share else "table"
            found.append(LatencyEstimate(float(ms), low, high, how))
        return _growing(found)

    def estimate_many(self, graphs: Sequence[BlockGraph], seed: int = 0) -> tuple[PerExit, ...]:
        """Return the estimates of each network."""
        self._price_all(graphs)
        return tuple(self.estimate(graph, seed) for graph in graphs)

    def conditions(self) -> dict[str, Any]:
        """Return fingerprint, what an estimate is, and under ``model`` how good the model is."""
        return {
            **self.fingerprint,
            "statistic": "predicted from a table of blocks",
            "model": {
                **self.errors.as_json(),
                "blocks": len(self.table),
                "scope": asdict(self.scope),
                **self.made,
            },
        }

    def explain(self, graph: BlockGraph) -> tuple[Share, ...]:
        """Return what each block adds to the estimate of the last exit; the parts add up to it.

        What a stage costs beyond its blocks is laid on them by their times.
        """
        sums, _ = self.sums(graph)
        steps = np.diff(self.adding.ms(sums), prepend=0.0)
        shares = []
        for stage, (step, found) in enumerate(zip(steps, work.blocks(graph), strict=True), 1):
            prices = [self._price(key) for _, key in found]
            total = sum(price.ms for price in prices)
            for (name, key), price in zip(found, prices, strict=True):
                ms = float(step) * price.ms / total
                how = "table" if price.measured else "extrapolated"
                shares.append(Share(stage, name, type(key.spec).__name__, ms, how))
        return tuple(shares)

    def missing(self, graphs: Iterable[BlockGraph]) -> tuple[BlockKey, ...]:
        """Return the blocks of these networks that were not measured, each once."""
        return tuple(key for key in work.all_blocks(graphs) if key.text not in self.table)

    def sums(self, graph: BlockGraph) -> tuple[Sums, NDArray[np.float64]]:
        """Return what a network's blocks come to, and the guessed milliseconds in it, [exits]."""
        shapes: dict[str, Shape] = {IMAGE: graph.image}
        prices = self._prices
        ms = guessed = weights = widest = 0.0
        count = 0
        by_exit = []
        for stage in graph.stages():
            for node in stage.nodes:
                key = BlockKey(node.spec, tuple([shapes[name] for name in node.inputs]))
                price = prices.get(key) or self._price(key)
                shapes[node.name] = price.output
                ms += price.ms
                guessed += 0.0 if price.measured else price.ms
                weights += price.weights_mb
                widest = max(widest, price.widest_mb)
                count += 1
            by_exit.append((ms, count, weights, guessed))
        block_ms, counts, weights_mb, guesses = np.array(by_exit).T
        return Sums(block_ms, counts, weights_mb, weights + widest), guesses

    def _price_all(self, graphs: Iterable[BlockGraph]) -> None:
        """Price the blocks of networks together: one guess of many costs as much as of one."""
        self._learn([key for key in work.all_blocks(graphs) if key not in self._prices])

    def _price(self, key: BlockKey) -> _Priced:
        if key not in self._prices:
            self._learn([key])
        return self._prices[key]

    def _learn(self, keys: Sequence[BlockKey]) -> None:
        needed = {key: work.of_block(key) for key in keys}
        rows = {key: self.table.get(key.text) for key in keys}
        unknown = [key for key in keys if rows[key] is None]
        guessed = dict(zip(unknown, self._prior.ms([needed[k] for k in unknown]), strict=True))
        for key in keys:
            row, todo = rows[key], needed[key]
            self._prices[key] = _Priced(
                float(guessed[key]) if row is None else row.ms,
                row is not None,
                todo.weights_mb,
                todo.widest_mb,
                work.traced(key).output,
            )


def _growing(found: list[LatencyEstimate]) -> PerExit:
    """Widen intervals where needed so that their ends grow from exit to exit like the latency."""
    grown: list[LatencyEstimate] = []
    for each in found:
        if grown:
            high = max(each.high_ms, grown[-1].high_ms * (1 + 1e-9))
            each = LatencyEstimate(each.latency_ms, each.low_ms, high, each.how)
        grown.append(each)
    for index in range(len(grown) - 2, -1, -1):
        one, later = grown[index], grown[index + 1]
        low = min(one.low_ms, later.low_ms * (1 - 1e-9))
        grown[index] = LatencyEstimate(one.latency_ms, low, one.high_ms, one.how)
    return tuple(grown)
