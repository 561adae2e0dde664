"""Latency in a search that has a model: estimated, and measured where the estimate is in doubt."""

from collections.abc import Callable, Sequence
from typing import Any

from latency.bench import Bench, DeviceLost
from latency.source import LatencyEstimate, LatencySource, PerExit
from search_spaces.blocks import BlockGraph

WIDE = 0.4
"""An interval wider than this part of the latency is in doubt where blocks were guessed.

20 % to either side change the soft reward by 1.4 %, about a standard error of the accuracy. In
large spaces most networks have blocks that were guessed: half as wide would measure all of msd.
"""


class Guarded:
    """A model's estimates, and the device's own figures for networks whose estimate is in doubt.

    A network is measured where the interval of its last exit holds the target (milliseconds, None:
    none to hold), and where some of its blocks had to be guessed and the interval is `WIDE`.
    Without `device_source` nothing is. `say` hears once that the device does not answer any more;
    estimates stand in its place from then on.
    """

    def __init__(
        self,
        model: LatencySource,
        device_source: LatencySource | None,
        target_ms: float | None,
        say: Callable[[str], None],
    ) -> None:
        self.model, self.target_ms = model, target_ms
        self._device_source, self._say = device_source, say

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def device(self) -> str:
        return self.model.device

    @property
    def bench(self) -> Bench | None:
        """Where networks are measured; None without a device that answers."""
        return getattr(self._device_source, "bench", None)

    def estimate(self, graph: BlockGraph, seed: int = 0) -> PerExit:
        """Return the latency of each exit; raises what a measurement raises but DeviceLost."""
        return self.estimate_many((graph,), seed)[0]

    def estimate_many(self, graphs: Sequence[BlockGraph], seed: int = 0) -> tuple[PerExit, ...]:
        """Return the estimates of several networks; those in doubt are measured together."""
        found = list(self.model.estimate_many(graphs, seed))
        doubted = [at for at, exits in enumerate(found) if self._in_doubt(exits[-1])]
        measured = self._measured([graphs[at] for at in doubted], seed)
        for at, exits in zip(doubted, measured, strict=False):  # none where the device is lost
            found[at] = exits
        return tuple(found)

    def conditions(self) -> dict[str, Any]:
        """Return the model's conditions."""
        return self.model.conditions()

    def _in_doubt(self, last: LatencyEstimate) -> bool:
        if self.target_ms is not None and last.low_ms < self.target_ms < last.high_ms:
            return True
        width = (last.high_ms - last.low_ms) / last.latency_ms
        return last.how == "extrapolated" and width > WIDE

    def _measured(self, graphs: Sequence[BlockGraph], seed: int) -> tuple[PerExit, ...]:
        """Return what the device says of them; nothing once it is lost."""
        if not graphs or self._device_source is None:
            return ()
        try:
            return self._device_source.estimate_many(graphs, seed)
        except DeviceLost as lost:
            self._device_source = None
            self._say(f"{lost}; from here on the latency model alone says how fast networks are")
            return ()
