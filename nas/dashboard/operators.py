"""The operators of a network one by one, with the share of the latency that each may have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from latency.macs import BYTES_PER_MS, MACS_PER_MS, OVERHEAD_MS, operator_ms
from search_spaces.blocks import IMAGE, BlockGraph, Stage
from search_spaces.operators import Operator, Shape, trace_block

_LAW = (
    f"{OVERHEAD_MS:g} ms each, {MACS_PER_MS / 1e6:g} million MACs and "
    f"{BYTES_PER_MS / 1e6:g} million bytes per ms"
)
SHARED = (
    "Latency is known for each exit alone: what each exit adds is divided among the operators "
    f"before it by a law ({_LAW}), so the figures of single operators are estimates"
)
UNMEASURED = f"No latency is known: the shares are those of a law ({_LAW})"


@dataclass(frozen=True, slots=True)
class Shared:
    """An operator, the block and the stage (from 1) it runs in, and its share of the latency.

    ``latency_ms`` is None where no latency is known; ``share`` is then that of the law alone.
    """

    operator: Operator
    node: str
    stage: int
    latency_ms: float | None
    share: float


def shared(graph: BlockGraph, exit_latency_ms: Sequence[float] | None) -> list[Shared]:
    """List the operators in the order in which they run; their shares sum to 1.

    ``exit_latency_ms`` are cumulative, first exit first, None where they are not known.
    """
    shapes: dict[str, Shape] = {IMAGE: graph.image}
    stages = [_operators(stage, shapes) for stage in graph.stages()]
    law = [[operator_ms(operator) for _, operator in stage] for stage in stages]
    if exit_latency_ms is None:
        spent = [sum(stage) for stage in law]
    else:
        # A measured exit may come out a hair before the last one: it then adds nothing.
        before = (0.0, *exit_latency_ms)
        spent = [max(0.0, b - a) for a, b in zip(before, exit_latency_ms, strict=False)]
    total, found = sum(spent), []
    for number, (stage, parts, ms) in enumerate(zip(stages, law, spent, strict=True), start=1):
        for (node, operator), part in zip(stage, parts, strict=True):
            own = ms * part / sum(parts)
            known = None if exit_latency_ms is None else own
            found.append(Shared(operator, node, number, known, own / total))
    return found


def table(
    graph: BlockGraph, exit_latency_ms: Sequence[float] | None, home: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return ``shared`` as JSON values; ``home`` gives the drawn block of each block."""
    return [_row(each, home[each.node]) for each in shared(graph, exit_latency_ms)]


def _operators(stage: Stage, shapes: dict[str, Shape]) -> list[tuple[str, Operator]]:
    found = []
    for node in stage.nodes:
        trace = trace_block(node.spec, tuple(shapes[name] for name in node.inputs))
        shapes[node.name] = trace.output
        found += [(node.name, operator) for operator in trace.operators]
    return found


def _row(each: Shared, node: str) -> dict[str, Any]:
    operator = each.operator
    return {
        "stage": each.stage,
        "node": node,
        "kind": operator.kind,
        "in": operator.in_channels,
        "out": operator.out_channels,
        "kernel": list(operator.kernel),
        "stride": list(operator.stride),
        "groups": operator.groups,
        "size": list(operator.output_size),
        "macs": operator.macs,
        "parameters": operator.parameters,
        "latency_ms": each.latency_ms,
        "share": each.share,
    }
