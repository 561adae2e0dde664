"""How far a latency model is off, told by networks that it was fitted to, as if they were new.

Each is foretold by a model that has seen nothing of it where that can be: neither its time nor, in
the table, how long its blocks took in it. Intervals come of these errors (conformal prediction:
Vovk et al., Algorithmic Learning in a Random World; here leave-one-out and by folds).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from latency.model import composition
from latency.model.block_table import Floats, Seen
from latency.model.composition import Sums
from latency.model.errors import Errors, compare
from latency.model.model import LatencyModel, Misses
from search_spaces.blocks import BlockGraph

FOLDS = 5
COVERAGE = 0.9
LEAST_NOISE = 0.01
"""No device repeats itself better from one campaign to the next, whatever a single one says."""
NONE = Errors(0, 0.0, 0.0, 0.0, None, None, None, 0.0)
"""Of no networks."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """Of one network: milliseconds up to each exit, and which share of the last is guessed."""

    ms: Floats
    guessed: float


def known(
    draft: LatencyModel, seen: Seen, graphs: Sequence[BlockGraph], measured: Sequence[Floats]
) -> list[Foretold]:
    """Foretell each network from the others, with all of its blocks measured.

    Blocks take what they took in other networks; those that no other has, what they took in it.
    The first of the networks that were ``seen`` are these.
    """
    found = [draft.sums(graph) for graph in graphs]
    foretold = []
    for out, graph in enumerate(graphs):
        table = seen.rows(frozenset({out}), fall_back=True)
        sums = replace(draft, table=table).sums(graph)
        foretold.append(_foretold(sums, found, measured, {out}))
    return foretold


def guessed(
    draft: LatencyModel, seen: Seen, graphs: Sequence[BlockGraph], measured: Sequence[Floats]
) -> list[Foretold]:
    """Foretell each fold of networks from the others; what only these have is guessed."""
    found = [draft.sums(graph) for graph in graphs]
    foretold: dict[int, Foretold] = {}
    for fold in range(FOLDS):
        out = frozenset(range(len(graphs))[fold::FOLDS])
        model = replace(draft, table=seen.rows(out))
        for index in out:
            sums = model.sums(graphs[index])
            foretold[index] = _foretold(sums, found, measured, out)
    return [foretold[index] for index in range(len(graphs))]


def misses(
    known: Sequence[Foretold],
    guessed: Sequence[Foretold],
    measured: Sequence[Floats],
    noises: Floats,
) -> Misses:
    """Return the half-widths of intervals that nine in ten of these networks would have been in.

    ``noises``: of the networks' measurements. What an interval is held against is measured with
    the like, and once more.
    """
    noise = max(conformal(noises), LEAST_NOISE)
    off = [np.abs(np.log(each.ms / exits)) for each, exits in zip(known, measured, strict=True)]
    last = float(np.hypot(conformal(np.array([each[-1] for each in off])), noise))
    early = float(np.hypot(conformal(np.array([each.max() for each in off])), noise))
    scores = [
        abs(float(np.log(each.ms[-1] / exits[-1]))) / each.guessed**0.5
        for each, exits in zip(guessed, measured, strict=True)
        if each.guessed
    ]
    # All blocks are known: there is no telling what a guess would miss.
    return Misses(last, early, max(last, conformal(np.array(scores)) if scores else 1.0))


def errors(foretold: Sequence[Foretold], measured: Sequence[Floats], noises: Floats) -> Errors:
    """Compare what is foretold of the last exits with what was measured."""
    said, true = (np.array([each[-1] for each in some]) for some in (_ms(foretold), measured))
    return compare(said, true, noises)


def conformal(errors: Floats, coverage: float = COVERAGE) -> float:
    """Return the half-width that holds ``coverage`` of new errors, by the rank of those seen."""
    rank = int(np.ceil((len(errors) + 1) * coverage))
    return float(np.sort(errors)[min(rank, len(errors)) - 1])


def _foretold(
    sums: Sums,
    found: Sequence[Sums],
    measured: Sequence[Floats],
    out: frozenset[int] | set[int],
) -> Foretold:
    kept = [index for index in range(len(found)) if index not in out]
    learnt = composition.learnt([found[i] for i in kept], [measured[i] for i in kept])
    share = sum(sums.guessed_ms) / sum(sums.block_ms)
    return Foretold(np.array(learnt.ms(sums)), share)


def _ms(foretold: Sequence[Foretold]) -> list[Floats]:
    return [each.ms for each in foretold]
