"""Latency in a search that has a model: estimated, and measured where the estimate is in doubt."""

from collections.abc import Callable, Sequence
from typing import Any

from latency.bench import Bench, DeviceLost, Say, silent
from latency.model import extending
from latency.model.model import LatencyModel
from latency.source import LatencyEstimate, PerExit
from nas.faults import one_line
from search_spaces.blocks import BlockGraph

WIDE = 0.4
"""An interval wider than this part of the latency is in doubt where blocks were guessed.

20 % to either side change the soft reward by 1.4 %, about a standard error of the accuracy. In
large spaces most networks have blocks that were guessed: half as wide would measure all of msd.
"""


class Guarded:
    """A model's estimates, and the device's own figures for networks whose estimate is in doubt.

    A network is measured where the interval of one of its exits holds the target (milliseconds,
    None: none to hold), and where some of its blocks had to be guessed and the interval of the last
    exit is `WIDE`. The blocks that had to be guessed are measured in the same campaign: the model
    knows them from then on, and `keep` is given the larger model.

    Without a `bench` nothing is measured. Where something cannot be, `say` hears why, and the
    estimate stands in its place; once the device does not answer any more, that is so for good.
    `steps` hears how far a measurement is, and may raise to end it.
    """

    def __init__(
        self,
        model: LatencyModel,
        bench: Bench | None,
        target_ms: float | None,
        say: Callable[[str], None],
        steps: Say = silent,
    ) -> None:
        self.model, self.bench, self.target_ms = model, bench, target_ms
        self._say, self._steps = say, steps
        self.keep: Callable[[LatencyModel], None] = lambda model: None

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def device(self) -> str:
        return self.model.device

    def estimate(self, graph: BlockGraph, seed: int = 0) -> PerExit:
        """Return the latency of each exit."""
        return self.estimate_many((graph,), seed)[0]

    def estimate_many(self, graphs: Sequence[BlockGraph], seed: int = 0) -> tuple[PerExit, ...]:
        """Return the estimates of several networks; those in doubt are measured together."""
        found = list(self.model.estimate_many(graphs, seed))
        doubted = [at for at, exits in enumerate(found) if self._in_doubt(exits)]
        measured = self._measured([graphs[at] for at in doubted], seed)
        for at, exits in zip(doubted, measured, strict=True):
            found[at] = exits or found[at]
        return tuple(found)

    def conditions(self) -> dict[str, Any]:
        """Return the model's conditions."""
        return self.model.conditions()

    def _in_doubt(self, exits: PerExit) -> bool:
        target, last = self.target_ms, exits[-1]
        if target is not None and any(each.low_ms < target < each.high_ms for each in exits):
            return True
        return last.how == "extrapolated" and _width(last) > WIDE

    def _measured(self, graphs: Sequence[BlockGraph], seed: int) -> list[PerExit | None]:
        """Return what the device says of them, None of those that it cannot measure."""
        nothing: list[PerExit | None] = [None] * len(graphs)
        if not graphs or self.bench is None:
            return nothing
        try:
            found, larger = extending.measure(self.model, self.bench, graphs, seed, self._steps)
        except DeviceLost as lost:
            self.bench = None
            self._say(f"{lost}; from here on the latency model alone says how fast networks are")
            return nothing
        except (ValueError, RuntimeError, MemoryError) as error:
            if len(graphs) > 1:  # one of them spoiled it for all: each by itself
                return [each for graph in graphs for each in self._measured([graph], seed)]
            self._say(f"not measured, the latency model's estimate is taken: {one_line(error)}")
            return nothing
        self._learn(larger)
        return list(found)

    def _learn(self, larger: LatencyModel) -> None:
        if larger is not self.model:
            self.model = larger
            try:
                self.keep(larger)
            except OSError as error:
                self._say(f"the larger latency model is not kept: {error.strerror or error}")


def _width(exit_: LatencyEstimate) -> float:
    return (exit_.high_ms - exit_.low_ms) / exit_.latency_ms
