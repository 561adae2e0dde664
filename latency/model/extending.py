"""Adding blocks to a latency model that it has not met, on the device that it is of."""

from collections.abc import Sequence
from dataclasses import replace

from latency.bench import Batch, Bench, Say, latencies, noises, silent
from latency.model import block_table
from latency.model.cross_validation import LEAST_NOISE
from latency.model.model import LatencyModel
from latency.protocol import Protocol
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
    protocol = bench.protocol.patient()
    return _measured(model, bench, (), graphs, seed, protocol, say)[1]


def measure(
    model: LatencyModel,
    bench: Bench,
    graphs: Sequence[BlockGraph],
    seed: int = 0,
    say: Say = silent,
) -> tuple[tuple[PerExit, ...], LatencyModel]:
    """Measure networks, and in the same campaign their blocks that the model lacks.

    Return the latency of each exit of each network, and a model that has the blocks. Both are
    brought to the speed that the device had at the fit, by the canary, so that they compare with
    estimates. Intervals are the noise to either side, since spreads of rounds do not compare with
    the model's intervals. Raises what the bench raises.
    """
    batch, larger = _measured(model, bench, graphs, graphs, seed, bench.protocol, say)
    if batch is None:
        return (), model
    pairs, drift = zip(latencies(batch), noises(batch), strict=True), drift_of(model, batch)
    found = tuple(_with_noise(exits, float(each), drift) for exits, each in pairs)
    return found[: len(graphs)], larger


def drift_of(model: LatencyModel, batch: Batch) -> float:
    """Return how many times slower the canary was in a campaign than when the model was fitted."""
    now: float | None = batch.facts["canary_ms"]
    return 1.0 if now is None else now / model.canary_ms


def _measured(
    model: LatencyModel,
    bench: Bench,
    whole: Sequence[BlockGraph],
    graphs: Sequence[BlockGraph],
    seed: int,
    protocol: Protocol,
    say: Say,
) -> tuple[Batch | None, LatencyModel]:
    """Measure networks as a ``whole``, and block by block those with blocks that are not known.

    No batch where there is nothing to measure. The new times are brought to the speed that the
    device had at the fit, by the canary.
    """
    new = [graph for graph in graphs if model.missing([graph])]
    if not (whole or new):
        return None, model
    own = bench.blocks(new, say)
    pieces = [*map(Piece.network, whole), *(block_table.pieces(new) if new else ())]
    batch = bench.measure(pieces, seed, protocol, say)
    if not new:
        return batch, model
    drift = drift_of(model, batch)
    rows = block_table.seen(new, own, batch, len(whole)).rows()
    rows = {text: replace(row, ms=row.ms / drift) for text, row in rows.items()}
    return batch, replace(model, table={**rows, **model.table})


def _with_noise(exits: PerExit, noise: float, drift: float) -> PerExit:
    factor = 1 + (max(noise, LEAST_NOISE) if noise == noise else LEAST_NOISE)
    times = ((each, each.latency_ms / drift) for each in exits)
    return tuple(
        replace(each, latency_ms=ms, low_ms=ms / factor, high_ms=ms * factor) for each, ms in times
    )
