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
from latency.model.errors import Errors, compare
from latency.model.model import LatencyModel, Misses
from search_spaces.blocks import BlockGraph

FOLDS = 5
COVERAGE = 0.9
LEAST_NOISE = 0.01
"""No device repeats itself better from one campaign to the next, whatever a single one says."""
HALVES = 2.0
"""How many times the noise of a campaign its halves differ by: with half of the rounds each is the
root of two as noisy as the whole, and the difference of two is that again."""
FEWEST = 9
"""Of fewer errors, none is the one that nine in ten do not exceed."""
UNKNOWN = 1.0
"""Half-width where it cannot be known: a third to three times as much."""
NONE = Errors(0, 0.0, 0.0, 0.0, None, None, None, 0.0)
"""Of no networks."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """Of one network: milliseconds up to each exit, and which share of them is guessed, [exits]."""

    ms: Floats
    guessed: Floats


def known(
    draft: LatencyModel, seen: Seen, graphs: Sequence[BlockGraph], measured: Sequence[Floats]
) -> list[Foretold]:
    """Foretell each network from the others, with all of its blocks measured.

    Blocks take what they took in other networks; those that no other has, what they took in it when
    it ran block by block. The first of the networks that were ``seen`` are these.
    """
    foretold = []
    for out in range(len(graphs)):
        model = replace(draft, table=seen.rows(frozenset({out}), fall_back=True))
        foretold += _foretold(model, graphs, measured, [out])
    return foretold


def guessed(
    draft: LatencyModel, seen: Seen, graphs: Sequence[BlockGraph], measured: Sequence[Floats]
) -> list[Foretold]:
    """Foretell each fold of networks from the others; what only these have is guessed."""
    foretold: dict[int, Foretold] = {}
    for fold in range(FOLDS):
        out = range(len(graphs))[fold::FOLDS]
        model = replace(draft, table=seen.rows(frozenset(out)))
        foretold |= zip(out, _foretold(model, graphs, measured, out), strict=True)
    return [foretold[index] for index in range(len(graphs))]


def misses(
    known: Sequence[Foretold],
    guessed: Sequence[Foretold],
    measured: Sequence[Floats],
    noises: Floats,
    reliances: Floats,
) -> Misses:
    """Return the half-widths of intervals that nine in ten of these networks would have been in.

    ``noises``, ``reliances``: of the networks' measurements. What an interval is held against is
    measured with the like, and once more.
    """
    noise = between_campaigns(noises, reliances)
    off = [_off(each, exits) for each, exits in zip(known, measured, strict=True)]
    last = float(np.hypot(conformal(np.array([each[-1] for each in off])), noise))
    early = float(np.hypot(conformal(np.array([each.max() for each in off])), noise))
    sure = Misses(last, max(last, early), 0.0)
    scores = [
        _score(each, _off(each, exits), sure)
        for each, exits in zip(guessed, measured, strict=True)
        if each.guessed.any()
    ]
    # Where all blocks are known, there is no telling what a guess would miss.
    return replace(sure, guessed=conformal(np.array(scores)) if len(scores) >= FEWEST else UNKNOWN)


def between_campaigns(noises: Floats, reliances: Floats) -> float:
    """Return what nine in ten networks differ by from one campaign to another, as far as one tells.

    Of two reasons, chance, also that of places in memory, tells even from odd rounds, and the
    device's drift tells stretches of time apart. The latter counts whole: a drift does not average
    out. Where nothing drifts, chance shows in both, and intervals are rather too wide.
    """
    chance, drift = (conformal(np.nan_to_num(each)) for each in (noises, reliances))
    return max(float(np.hypot(chance / HALVES, drift)), LEAST_NOISE)


def errors(foretold: Sequence[Foretold], measured: Sequence[Floats], noises: Floats) -> Errors:
    """Compare what is foretold of the last exits with what was measured."""
    said = np.array([each.ms[-1] for each in foretold])
    return compare(said, np.array([exits[-1] for exits in measured]), noises)


def conformal(errors: Floats) -> float:
    """Return the half-width that holds nine in ten new errors, by the rank of those seen."""
    rank = int(np.ceil((len(errors) + 1) * COVERAGE))
    return float(np.sort(errors)[min(rank, len(errors)) - 1])


def _foretold(
    model: LatencyModel,
    graphs: Sequence[BlockGraph],
    measured: Sequence[Floats],
    out: Sequence[int],
) -> list[Foretold]:
    """Foretell the networks ``out`` from the others, by the table of this model."""
    sums = [model.sums(graph) for graph in graphs]
    kept = [index for index in range(len(graphs)) if index not in out]
    learnt = composition.learnt([sums[i] for i in kept], [measured[i] for i in kept])
    return [
        Foretold(
            np.array(learnt.ms(sums[index])),
            np.cumsum(sums[index].guessed_ms) / np.cumsum(sums[index].block_ms),
        )
        for index in out
    ]


def _off(foretold: Foretold, measured: Floats) -> Floats:
    return np.abs(np.log(foretold.ms / measured))


def _score(foretold: Foretold, off: Floats, sure: Misses) -> float:
    """The least half-width of a wholly guessed network whose intervals would hold all exits."""
    needed = off > sure.half_widths([0.0] * len(off))
    partly = needed & (foretold.guessed > 0)
    return float((off[partly] / np.sqrt(foretold.guessed[partly])).max(initial=0.0))
