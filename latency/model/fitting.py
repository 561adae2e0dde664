"""Fitting a latency model on a device.

A campaign runs some networks in one piece, and these and more block by block. The table of blocks
comes from the latter, how they make up a network from both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from latency.bench import Batch, Bench, Say, latencies, noises, reliances, silent
from latency.errors import LatencyError
from latency.model import block_table, composition, cross_validation
from latency.model.block_table import Floats, Seen
from latency.model.composition import Composition
from latency.model.cross_validation import FEWEST
from latency.model.drawing import distinct
from latency.model.model import LatencyModel, Misses, Scope
from latency.runtimes.runtime import Piece
from search_spaces.blocks import BlockGraph
from search_spaces.space import SearchSpace

SAMPLES = 20
MORE = 20
"""Networks whose blocks are measured beside those of the samples, so that few are missing."""


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

    All of them are different ones: a network whose twin was learnt from would flatter the model.
    ``seed`` draws the networks, weights and inputs. Raises LatencyError for fewer than nine
    samples, or more than the space has networks, and what the bench raises.
    """
    drawn = distinct(space, samples + MORE, np.random.default_rng(seed))
    if len(drawn) < samples:
        raise LatencyError(
            f"space {space.name} has hardly more than {len(drawn)} networks: sample fewer"
        )
    graphs = [space.blocks(each, image, classes) for each in drawn]
    scope = Scope(space.name, image, classes)
    return fit_to(bench, graphs[:samples], graphs[samples:], scope, seed, say)


def fit_to(
    bench: Bench,
    graphs: Sequence[BlockGraph],
    beside: Sequence[BlockGraph],
    scope: Scope,
    seed: int = 0,
    say: Say = silent,
) -> Fitted:
    """Fit a model to given networks; its table has the blocks of those ``beside`` them, too.

    Raises LatencyError for fewer than nine networks, and what the bench raises.
    """
    if len(graphs) < FEWEST:
        raise LatencyError(f"{len(graphs)} samples: give at least {FEWEST} networks to learn from")
    divided = [*graphs, *beside]
    own = bench.blocks(divided, say)
    pieces = [*map(Piece.network, graphs), *block_table.pieces(divided)]
    batch = bench.measure(pieces, seed, bench.protocol.patient(), say)
    measured = [
        np.array([each.latency_ms for each in exits]) for exits in latencies(batch)[: len(graphs)]
    ]
    seen = block_table.seen(divided, own, batch, len(graphs))
    draft = _draft(bench, seen, scope, batch)
    names = (
        *(f"network {index}" for index in range(len(graphs))),
        *(f"blocks {index}" for index in range(len(divided))),
        "empty",
    )
    return Fitted(_completed(draft, seen, graphs, measured, batch), batch, names)


def _draft(bench: Bench, seen: Seen, scope: Scope, batch: Batch) -> LatencyModel:
    """A model that adds blocks up plainly and knows nothing of its errors."""
    unknown = cross_validation.NONE
    return LatencyModel(
        fingerprint=bench.fingerprint(),
        scope=scope,
        table=seen.rows(),
        composition=Composition(),
        misses=Misses(0.0, 0.0, 0.0),
        canary_ms=batch.facts["canary_ms"],
        errors=unknown,
        errors_guessed=unknown,
        made=_made(batch),
    )


def _completed(
    draft: LatencyModel,
    seen: Seen,
    graphs: Sequence[BlockGraph],
    measured: Sequence[Floats],
    batch: Batch,
) -> LatencyModel:
    noise, relied = (each(batch)[: len(graphs)] for each in (noises, reliances))
    known = cross_validation.known(draft, seen, graphs, measured)
    guessed = cross_validation.guessed(draft, seen, graphs, measured)
    return replace(
        draft,
        composition=composition.learnt([draft.sums(graph) for graph in graphs], measured),
        misses=cross_validation.misses(known, guessed, measured, noise, relied),
        errors=cross_validation.errors(known, measured, noise),
        errors_guessed=cross_validation.errors(guessed, measured, noise),
    )


def _made(batch: Batch) -> dict[str, Any]:
    facts = batch.facts
    kept = ("seconds", "restlessness", "busy", "load_before", "load_after", "preemptions")
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return {"fitted": when, **{name: facts[name] for name in kept if name in facts}}
