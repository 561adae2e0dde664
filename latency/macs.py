"""A simulated device: latency as a law over multiply-accumulates, bytes and operators.

    ms(stage) = operators * OVERHEAD_MS + MACs / MACS_PER_MS + bytes / BYTES_PER_MS

An operator moves its inputs, its outputs and its parameters, four bytes each (float32). Three sums
with fixed prices are the usual additive model of a processor that neither overlaps arithmetic with
memory traffic nor keeps anything in its caches. The prices are round numbers of the order of one
core under eager PyTorch; they describe no device. Same network, same figures, on every machine:
for tests and for runs that must repeat exactly.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from latency.source import LatencyEstimate, PerExit
from search_spaces.blocks import BlockGraph
from search_spaces.operators import Operator, operators

OVERHEAD_MS = 0.02
MACS_PER_MS = 30e6
BYTES_PER_MS = 20e6
BYTES_PER_VALUE = 4


class MacsLatency:
    """The runtime ``macs``: deterministic, never looks at a clock, takes no lane."""

    name = "macs"
    device = "simulated"

    def estimate(self, graph: BlockGraph, seed: int = 0) -> PerExit:
        """Return the latency of each exit by the law of this module; the seed changes nothing."""
        stages = operators(graph)
        return tuple(_exactly(ms) for ms in accumulate(stage_ms(stage) for stage in stages))

    def estimate_many(self, graphs: Sequence[BlockGraph], seed: int = 0) -> tuple[PerExit, ...]:
        """Return the estimates of each network."""
        return tuple(self.estimate(graph, seed) for graph in graphs)

    def conditions(self) -> dict[str, Any]:
        """Return the prices of the law; they are all there is to know."""
        return {
            "runtime": self.name,
            "device": self.device,
            "batch": 1,
            "statistic": "law over MACs, bytes and operators",
            "overhead_ms": OVERHEAD_MS,
            "macs_per_ms": MACS_PER_MS,
            "bytes_per_ms": BYTES_PER_MS,
        }


def stage_ms(stage: Iterable[Operator]) -> float:
    """Return the milliseconds of the operators of one stage, one image."""
    return sum(operator_ms(operator) for operator in stage)


def operator_ms(operator: Operator) -> float:
    """Return the milliseconds of one operator, one image."""
    values = operator.elements_in + operator.elements_out + operator.parameters
    moved = BYTES_PER_VALUE * values
    return OVERHEAD_MS + operator.macs / MACS_PER_MS + moved / BYTES_PER_MS


def _exactly(ms: float) -> LatencyEstimate:
    return LatencyEstimate(latency_ms=ms, low_ms=ms, high_ms=ms, how="simulated")
