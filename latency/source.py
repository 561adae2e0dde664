"""What tells how fast a network is: estimates per exit, from a device and a runtime."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from search_spaces.blocks import BlockGraph

How = Literal["measured", "simulated", "table", "extrapolated"]


@dataclass(frozen=True, slots=True)
class LatencyEstimate:
    """Time of one image from the input to an exit, in milliseconds, with its interval.

    ``low_ms <= latency_ms <= high_ms``. For a measured figure the interval is the spread over the
    rounds of the measurement (in a search with a latency model: its noise to either side, since
    there the two are compared), for a simulated one it is empty. ``table``: foretold by a latency
    model that has measured every block, ``extrapolated``: some of them are guessed; their interval
    holds 90 % of measurements.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    how: How


PerExit = tuple[LatencyEstimate, ...]
"""One estimate per exit, first exit first, cumulative: exit k includes all stages before it."""


class LatencySource(Protocol):
    """A device with a runtime, asked how long a network takes to reach each of its exits.

    Every figure is for a batch of one image, or for a whole batch where conditions say that
    ``batch`` is more, and for lazy stages (an exit pays only for what it and the exits before it
    need), with the answers of all earlier exits computed on the way.
    """

    @property
    def name(self) -> str:
        """The runtime, such as ``torch``."""

    @property
    def device(self) -> str:
        """Where the runtime runs, such as ``cpu``."""

    def estimate(self, graph: BlockGraph, seed: int = 0) -> PerExit:
        """Return the latency of each exit; ``seed`` draws weights and image where they matter.

        Raises LatencyError when the network cannot be timed.
        """

    def estimate_many(self, graphs: Sequence[BlockGraph], seed: int = 0) -> tuple[PerExit, ...]:
        """Return the estimates of several networks, which a measuring source interleaves."""

    def conditions(self) -> dict[str, Any]:
        """Return, as JSON values, what the figures hold for: device, runtime, protocol, host."""
