"""What each exit of a network costs, counted and measured."""

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latency.source import LatencySource
    from search_spaces.blocks import BlockGraph


@dataclass(frozen=True, slots=True)
class ExitCost:
    """Costs of one image from the input to each exit, cumulative over exits.

    macs: of what the exit and those before it need and no more (lazy). all_macs, official_ops:
    of a network run layer by layer, and the count of the MSDNet authors' code. latency_ms: by
    a runtime on a device under `conditions`; where a later exit was measured to be the faster one,
    which is noise, it has the time of the one before.
    """

    macs: tuple[int, ...]
    all_macs: tuple[int, ...]
    official_ops: tuple[int, ...]
    latency_ms: tuple[float, ...]
    parameters: int
    conditions: dict[str, Any]


def exit_cost(graph: "BlockGraph", source: "LatencySource", seed: int = 0) -> ExitCost:
    """Count and measure a network; `seed` as for `source`.

    Raises LatencyError where it cannot be timed.
    """
    from search_spaces.operators import costs

    counted = costs(graph)
    measured = (each.latency_ms for each in source.estimate(graph, seed))
    return ExitCost(
        macs=counted.lazy_macs,
        all_macs=counted.macs,
        official_ops=counted.official_ops,
        latency_ms=tuple(accumulate(measured, max)),
        parameters=counted.parameters,
        conditions={"device": source.device, "runtime": source.name, **source.conditions()},
    )
