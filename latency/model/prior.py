"""The time of a block that was not measured, guessed from those that were.

A law first: milliseconds as a sum over kinds of MACs, bytes and operators with prices that are not
negative, fitted to relative errors. Then what measured blocks of the same operators and of similar
size are off that law.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from latency.model.work import Work

NEIGHBOURS = 6
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """Made from measured blocks: their work and their milliseconds (at least one of each)."""

    works: tuple[Work, ...]
    times: Floats
    prices: Floats = field(init=False)
    _places: Floats = field(init=False, repr=False)
    _off: Floats = field(init=False, repr=False)
    _families: NDArray[np.str_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        terms = np.array([_terms(work) for work in self.works])
        relative = terms / self.times[:, None]
        scale = relative.max(axis=0)
        scale[scale == 0] = 1.0
        prices = nnls(relative / scale, np.ones(len(terms)))[0] / scale
        object.__setattr__(self, "prices", prices)
        object.__setattr__(self, "_places", np.array([_place(work) for work in self.works]))
        law = np.maximum(terms @ prices, 1e-6)
        object.__setattr__(self, "_off", np.log(self.times / law))
        object.__setattr__(self, "_families", np.array([work.family for work in self.works]))

    def ms(self, work: Work) -> float:
        """Return the milliseconds guessed for a block."""
        law = max(float(_terms(work) @ self.prices), 1e-6)
        return law * float(np.exp(self._correction(work)))

    def _correction(self, work: Work) -> float:
        candidates = np.flatnonzero(self._families == work.family)
        if len(candidates) == 0:
            candidates = np.arange(len(self.works))
        distances = np.abs(self._places[candidates] - _place(work)).sum(axis=1)
        nearest = np.argsort(distances, kind="stable")[:NEIGHBOURS]
        weights = 1.0 / (0.05 + distances[nearest])
        return float(weights @ self._off[candidates[nearest]] / weights.sum())


def leave_out(works: Sequence[Work], times: Floats, out: NDArray[np.bool_]) -> Floats:
    """Return the times guessed for the blocks marked ``out`` from all the others."""
    kept = [work for work, gone in zip(works, out, strict=True) if not gone]
    prior = Prior(tuple(kept), times[~out])
    return np.array([prior.ms(work) for work, gone in zip(works, out, strict=True) if gone])


def _terms(work: Work) -> Floats:
    return np.array([*work.macs, work.moved_mb, work.weights_mb, work.operators, 1.0])


def _place(work: Work) -> Floats:
    sizes = [*work.macs, work.moved_mb, work.weights_mb, work.widest_mb]
    return np.log(np.array(sizes) + 1e-3)
