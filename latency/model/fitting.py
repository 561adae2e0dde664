"""Fitting a latency model on a device, and extending it by blocks that it has not met."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latency.bench import Batch, Bench, Say, noises, silent
from latency.blocks import BlockKey, every
from latency.errors import LatencyError
from latency.model import adding, work
from latency.model.adding import Adding
from latency.model.errors import compare
from latency.model.model import LatencyModel, Row, Scope
from latency.model.prior import leave_out
from latency.protocol import part_times
from latency.runtimes.runtime import Piece
from search_spaces.blocks import BlockGraph, Norm
from search_spaces.residual import Pool
from search_spaces.space import SearchSpace

SAMPLES = 20
FEWEST = 5
"""Networks from which an interval can be had at all."""
MORE = 20
"""Networks whose blocks are measured beside those of the samples, so that few are missing."""
FOLDS = 5
LEAST = 0.1
"""Share of a block's time that is left, however much calling the runtime costs."""

EMPTY = BlockKey(Pool("average", 1, 1, 0), ((1, 1, 1),))
"""A block with next to no work: its time is what calling the runtime costs."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model and the campaign that it rests on; ``names``: of each item of the campaign."""

    model: LatencyModel
    batch: Batch
    names: tuple[str, ...]


def fit(
    bench: Bench,
    space: SearchSpace,
    image: tuple[int, int, int],
    classes: int,
    samples: int = SAMPLES,
    seed: int = 0,
    say: Say = silent,
) -> Fitted:
    """Measure random networks of a space and their blocks together, and fit a model to them.

    ``seed`` draws the networks, weights and inputs. Raises LatencyError for fewer than five
    samples, and what the bench raises.
    """
    if samples < FEWEST:
        raise LatencyError(f"{samples} samples: give at least {FEWEST} networks to learn from")
    rng = np.random.default_rng(seed)
    graphs = [space.blocks(space.sample(rng), image, classes) for _ in range(samples + MORE)]
    scope = Scope(space.name, image, classes)
    return fit_to(bench, graphs[:samples], graphs, scope, seed, say)


def fit_to(
    bench: Bench,
    graphs: Sequence[BlockGraph],
    tabled: Sequence[BlockGraph],
    scope: Scope,
    seed: int = 0,
    say: Say = silent,
) -> Fitted:
    """Fit a model to given networks, with a table of the blocks of ``tabled`` ones."""
    own = {EMPTY: False, **bench.blocks(tabled)}
    keys = list(own)
    norm = graphs[0].norm
    pieces = [*map(Piece.network, graphs), *(_piece(key, norm) for key in keys)]
    batch = bench.measure(pieces, seed, say=say)
    table = _rows(own, batch, len(graphs))
    measured = [_exit_times(batch, index) for index in range(len(graphs))]
    model = _model(bench, graphs, measured, table, scope, batch)
    names = (*(f"network {index}" for index in range(len(graphs))), *(key.text for key in keys))
    return Fitted(model, batch, names)


def extend(
    model: LatencyModel,
    bench: Bench,
    graphs: Sequence[BlockGraph],
    seed: int = 0,
    say: Say = silent,
) -> LatencyModel:
    """Measure the blocks of these networks that the model lacks; return a model that has them.

    The new times are brought to the device's speed at the time of the fit by the canary.
    """
    if not model.missing(graphs):
        return model
    found = bench.blocks(graphs)
    own = {EMPTY: False} | {k: found[k] for k in found if k.text not in model.table}
    batch = bench.measure([_piece(key, graphs[0].norm) for key in own], seed, say=say)
    drift = drift_of(model, batch)
    rows = {text: replace(row, ms=row.ms / drift) for text, row in _rows(own, batch, 0).items()}
    return replace(model, table={**model.table, **rows})


def drift_of(model: LatencyModel, batch: Batch) -> float:
    """Return how many times slower the device was in a campaign than when the model was fitted."""
    now = batch.facts.get("canary_ms")
    return float(now) / model.canary_ms if now else 1.0


def _piece(key: BlockKey, norm: Norm) -> Piece:
    return Piece.block(key.spec, key.shapes, norm, key.own)


def _exit_times(batch: Batch, index: int) -> Floats:
    """Milliseconds of each exit of an item."""
    times = part_times(batch.taken.samples[index], batch.protocol.quantile)
    ends = np.cumsum(batch.taken.parts[index]) - 1
    exits: Floats = np.cumsum(times)[ends]
    return exits


def _rows(blocks: Mapping[BlockKey, bool], batch: Batch, first: int) -> dict[str, Row]:
    """Rows of the blocks that were measured from item ``first`` on, the empty one first.

    The value of a block says whether it answers in the runtime's own layout.
    """
    noise = noises(batch)
    times = [
        float(part_times(batch.taken.samples[first + place], batch.protocol.quantile).sum())
        for place in range(len(blocks))
    ]
    calling = times[0]
    return {
        key.text: Row(
            max(ms - calling, LEAST * ms), float(noise[first + place]), work.of_block(key), own
        )
        for place, ((key, own), ms) in enumerate(zip(blocks.items(), times, strict=True))
        if place
    }


def _model(
    bench: Bench,
    graphs: Sequence[BlockGraph],
    measured: Sequence[Floats],
    table: dict[str, Row],
    scope: Scope,
    batch: Batch,
) -> LatencyModel:
    noise = noises(batch)[: len(graphs)]
    one = np.ones(1)
    draft = LatencyModel(
        fingerprint=bench.fingerprint(),
        scope=scope,
        table=table,
        adding=Adding(tuple(map(float, adding.PLAIN)), 0.0, 0.0),
        unsure=0.0,
        canary_ms=batch.facts["canary_ms"] or float("nan"),
        errors=compare(one, one, one, one, noise),
        made=_made(batch),
    )
    sums = [draft.sums(graph)[0] for graph in graphs]
    found, foretold = adding.fit(sums, measured)
    said, true = (np.array([each[-1] for each in values]) for values in (foretold, measured))
    errors = compare(said, true, said * np.exp(-found.last), said * np.exp(found.last), noise)
    return replace(draft, adding=found, errors=errors, unsure=_unsure(draft, graphs))


def _unsure(model: LatencyModel, graphs: Sequence[BlockGraph]) -> float:
    """Half-width of what a network's sum of blocks is off when each of them is guessed.

    The blocks of each fold of the networks are guessed from the blocks that they do not have.
    """
    rows = list(model.table.values())
    times = np.array([row.ms for row in rows])
    place = {text: index for index, text in enumerate(model.table)}
    blocks = [[place[key.text] for key in every([graph], model.answers_in_own)] for graph in graphs]
    errors = []
    for fold in range(FOLDS):
        out = np.zeros(len(rows), dtype=np.bool_)
        held = blocks[fold::FOLDS]
        out[[index for own in held for index in own]] = True
        if out.all():
            continue
        guessed = times.copy()
        guessed[out] = leave_out([row.work for row in rows], times, out)
        errors += [abs(float(np.log(guessed[own].sum() / times[own].sum()))) for own in held]
    return adding.conformal(np.array(errors)) if errors else 1.0


def _made(batch: Batch) -> dict[str, Any]:
    facts = batch.facts
    kept = ("seconds", "restlessness", "busy", "load_before", "load_after", "preemptions")
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return {"fitted": when, **{name: facts[name] for name in kept if name in facts}}
