"""Adding blocks to a latency model that it has not met, on the device that it is of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from latency.bench import Batch, Bench, Say, silent
from latency.blocks import BlockKey
from latency.model import block_table
from latency.model.cross_validation import LEAST_NOISE
from latency.model.model import LatencyModel
from latency.protocol import noise, summarise
from latency.runtimes.runtime import Piece
from latency.source import PerExit
from search_spaces.blocks import BlockGraph


def extend(
    model: LatencyModel,
    bench: Bench,
    graphs: Sequence[BlockGraph],
    seed: int = 0,
    say: Say = silent,
) -> LatencyModel:
    """Measure the blocks of these networks that the model lacks; return a model that has them.

    Networks that have any run block by block. Raises what the bench raises.
    """
    new = _unknown(model, graphs)
    if not new:
        return model
    own = bench.blocks(new, say)
    batch = bench.measure(block_table.pieces(new), seed, say=say)
    return _with_blocks(model, new, own, batch, 0)


def measure(
    model: LatencyModel,
    bench: Bench,
    graphs: Sequence[BlockGraph],
    seed: int = 0,
    say: Say = silent,
) -> tuple[tuple[PerExit, ...], LatencyModel]:
    """Measure networks, and in the same campaign their blocks that the model lacks.

    Return the latency of each exit of each network, and a model that has the blocks. Intervals are
    the noise to either side, since spreads of rounds do not compare with the model's intervals.
    Raises what the bench raises.
    """
    new, pieces = _unknown(model, graphs), [Piece.network(graph) for graph in graphs]
    own = bench.blocks(new, say)
    batch = bench.measure([*pieces, *(block_table.pieces(new) if new else ())], seed, say=say)
    found = tuple(_measured(batch, index) for index in range(len(graphs)))
    return found, _with_blocks(model, new, own, batch, len(graphs)) if new else model


def drift_of(model: LatencyModel, batch: Batch) -> float:
    """Return how many times slower the canary was in a campaign than when the model was fitted."""
    return float(batch.facts["canary_ms"]) / model.canary_ms


def _unknown(model: LatencyModel, graphs: Sequence[BlockGraph]) -> list[BlockGraph]:
    return [graph for graph in graphs if model.missing([graph])]


def _measured(batch: Batch, index: int) -> PerExit:
    samples, quantile = batch.taken.samples[index], batch.protocol.quantile
    differs = noise(samples, quantile)
    factor = 1 + (max(differs, LEAST_NOISE) if differs == differs else LEAST_NOISE)
    return tuple(
        replace(each, low_ms=each.latency_ms / factor, high_ms=each.latency_ms * factor)
        for each in summarise(samples, batch.taken.parts[index], quantile)
    )


def _with_blocks(
    model: LatencyModel,
    graphs: Sequence[BlockGraph],
    own: Mapping[BlockKey, bool],
    batch: Batch,
    first: int,
) -> LatencyModel:
    """The new times are brought to the speed that the device had at the fit, by the canary."""
    drift = drift_of(model, batch)
    rows = block_table.seen(graphs, own, batch, first).rows()
    rows = {text: replace(row, ms=row.ms / drift) for text, row in rows.items()}
    return replace(model, table={**rows, **model.table})
