"""A latency source that measures every network it is asked about."""

from collections.abc import Sequence
from typing import Any

from latency import host
from latency.bench import Bench, Say, latencies, noises, silent
from latency.protocol import Protocol
from latency.runtimes.runtime import Piece
from latency.source import PerExit
from search_spaces.blocks import BlockGraph


class Measuring:
    """Times networks with random weights on a bench; several are interleaved.

    say: told the steps of every measurement.
    """

    def __init__(self, bench: Bench, protocol: Protocol | None = None, say: Say = silent) -> None:
        self.bench, self.protocol, self._say = bench, protocol or bench.protocol, say
        self._last: dict[str, Any] | None = None

    def saying(self, say: Say) -> "Measuring":
        """Return the same source, which tells its steps."""
        return Measuring(self.bench, self.protocol, say)

    @property
    def name(self) -> str:
        return self.bench.name

    @property
    def device(self) -> str:
        return self.bench.device

    def estimate(self, graph: BlockGraph, seed: int = 0) -> PerExit:
        """Measure one network; ``seed`` draws its weights and the image.

        Raises LatencyError when the network's answers are not finite.
        """
        return self.estimate_many((graph,), seed)[0]

    def estimate_many(self, graphs: Sequence[BlockGraph], seed: int = 0) -> tuple[PerExit, ...]:
        """Measure several networks in rounds that visit each of them in a shuffled order.

        Raises LatencyError when the answers of a network are not finite.
        """
        if not graphs:
            return ()
        pieces = [Piece.network(graph) for graph in graphs]
        batch = self.bench.measure(pieces, seed, self.protocol, self._say)
        self._last = {**batch.facts, "noise": [round(float(each), 5) for each in noises(batch)]}
        return latencies(batch)

    def conditions(self) -> dict[str, Any]:
        """Return fingerprint and protocol, and under ``last`` how the latest measurement went.

        ``preemptions`` counts how often another process took the core during that measurement,
        ``restlessness`` is the canary's median pass over its floor, ``noise`` the difference
        between even and odd rounds of each network. Before the first measurement it is None.
        """
        return {
            **self.bench.fingerprint(),
            **self.protocol.facts(),
            "load_average": host.load_average(),
            "last": self._last,
        }
