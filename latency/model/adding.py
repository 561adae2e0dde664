"""How the times of blocks add up to that of a network, learnt from a few measured networks.

The blocks of a network run in other company than alone: values arrive in caches or do not, a
runtime enters and leaves its stage once instead of once a block, neighbours share a layout. So

    ms(exit) = sum of blocks * (1 + a + b*m + c*m^2) + d * number of blocks + e * number of stages
             + w * (f + g*v)

with m = log(1 + megabytes of all weights and of the widest operator): how far the network outgrows
the caches, w the megabytes of weights up to the exit, and v = log(1 + megabytes of all weights). A
device has either b and c, where all that overflows is slower, or f and g, where weights that do not
stay in a cache cost so much a byte. The numbers minimise relative errors under a ridge towards the
plain sum; its strength, and which of the two, are chosen by leaving networks out. The same errors
give the interval (conformal prediction: Vovk et al., Algorithmic Learning in a Random World; here
leave-one-out).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TERMS = 7
PLAIN = np.eye(TERMS)[0]
FORMS = ((0, 1, 2, 3, 4), (0, 3, 4, 5, 6))
"""Which terms a device has, besides those that are always there."""
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
COVERAGE = 0.9
LEAST = 0.2
"""A network is never said to take less than this share of the sum of its blocks."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Of one network, cumulative over its exits: milliseconds and number of its blocks [exits].

    ``weights_mb``: of the blocks up to each exit [exits]. ``megabytes``: weights of the whole
    network and what its widest operator reads and writes.
    """

    block_ms: Sequence[float]
    blocks: Sequence[int]
    weights_mb: Sequence[float]
    megabytes: float

    def terms(self) -> list[tuple[float, ...]]:
        """Return what the numbers are multiplied with, [exits, terms].

        Plain floats, as all sums here: for the few exits of a network arrays are slower.
        """
        outgrown, overflown = math.log1p(self.megabytes), math.log1p(self.weights_mb[-1])
        exits = zip(self.block_ms, self.blocks, self.weights_mb, strict=True)
        return [
            (ms, ms * outgrown, ms * outgrown**2, blocks, stage, weights, weights * overflown)
            for stage, (ms, blocks, weights) in enumerate(exits, start=1)
        ]


@dataclass(frozen=True, slots=True)
class Adding:
    """The numbers of all terms, and what they miss.

    ``last``, ``early``: half-widths of 90 % intervals of the logarithm of a latency, at the last
    exit and at the ones before it.
    """

    numbers: tuple[float, ...]
    last: float
    early: float

    def ms(self, sums: Sums) -> list[float]:
        """Return the milliseconds of each exit; they grow from exit to exit."""
        return _applied(self.numbers, sums)


def fit(networks: Sequence[Sums], measured: Sequence[Floats]) -> tuple[Adding, list[Floats]]:
    """Learn from networks and their measured milliseconds [exits].

    Also returned: what is foretold of each network by the others, [exits] each.
    """
    form, strength, foretold = min(
        (
            (form, strength, left_out(networks, measured, strength, form))
            for form in FORMS
            for strength in STRENGTHS
        ),
        key=lambda found: _mean_error(found[2], measured),
    )
    numbers = _numbers(networks, measured, strength, form)
    errors = [np.abs(np.log(said / true)) for said, true in zip(foretold, measured, strict=True)]
    last = conformal(np.array([each[-1] for each in errors]))
    early = conformal(np.concatenate(errors))
    return Adding(tuple(map(float, numbers)), last, max(last, early)), foretold


def left_out(
    networks: Sequence[Sums], measured: Sequence[Floats], strength: float, form: Sequence[int]
) -> list[Floats]:
    """Return of each network what the others foretell, [exits]."""
    foretold = []
    for out, sums in enumerate(networks):
        others = [each for index, each in enumerate(networks) if index != out]
        known = [each for index, each in enumerate(measured) if index != out]
        numbers = _numbers(others, known, strength, form).tolist()
        foretold.append(np.array(_applied(numbers, sums)))
    return foretold


def conformal(errors: Floats, coverage: float = COVERAGE) -> float:
    """Return the half-width that holds ``coverage`` of new errors, by the rank of those seen."""
    rank = int(np.ceil((len(errors) + 1) * coverage))
    return float(np.sort(errors)[min(rank, len(errors)) - 1])


def _numbers(
    networks: Sequence[Sums], measured: Sequence[Floats], strength: float, form: Sequence[int]
) -> Floats:
    """Ridge regression of relative errors, each network of the same weight."""
    rows, wanted = [], []
    for sums, ms in zip(networks, measured, strict=True):
        weight = len(ms) ** -0.5
        rows.append(weight * np.array(sums.terms()) / ms[:, None])
        wanted.append(np.full(len(ms), weight))
    terms, ones = np.concatenate(rows)[:, form], np.concatenate(wanted)
    scale = np.sqrt((terms**2).sum(axis=0))
    terms = terms / scale
    ridge = strength * np.eye(len(form))
    # The sum of blocks itself is left free: a device may be slower on the whole.
    ridge[0, 0] = 1e-6
    towards = ridge @ (PLAIN[list(form)] * scale)
    numbers: Floats = np.zeros(TERMS)
    numbers[list(form)] = np.linalg.solve(terms.T @ terms + ridge, terms.T @ ones + towards) / scale
    return numbers


def _applied(numbers: Sequence[float], sums: Sums) -> list[float]:
    before = ms_before = total = 0.0
    grown = []
    for ms, terms in zip(sums.block_ms, sums.terms(), strict=True):
        said = max(sum(map(mul, numbers, terms)), LEAST * ms)
        # An exit more is never less work.
        total += max(said - before, 0.01 * (ms - ms_before) + 1e-6)
        before, ms_before = said, ms
        grown.append(total)
    return grown


def _mean_error(foretold: Sequence[Floats], measured: Sequence[Floats]) -> float:
    pairs = zip(foretold, measured, strict=True)
    return float(np.mean([np.abs(np.log(said / true)).mean() for said, true in pairs]))
