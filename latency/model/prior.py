"""The time of a block that was not measured, guessed from those that were.

A law first: milliseconds as a sum over kinds of MACs, bytes and operators with prices that are not
negative, fitted to relative errors. Then gradient-boosted trees learn what measured blocks are off
that law, from the numbers of their work: kernels come in steps (channels that fill a vector, an
algorithm chosen by size) that no smooth law has. Trees alone could not extrapolate; on the law's
residual they fall back to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from latency.model.work import Work

FEWEST_FOR_TREES = 100
LEAST_MS = 1e-6
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """Made from measured blocks: their work and their milliseconds (at least one of each)."""

    works: tuple[Work, ...]
    times: Floats
    prices: Floats = field(init=False)
    _trees: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        terms = np.array([_terms(work) for work in self.works])
        relative = terms / self.times[:, None]
        scale = relative.max(axis=0)
        scale[scale == 0] = 1.0
        prices = nnls(relative / scale, np.ones(len(terms)))[0] / scale
        object.__setattr__(self, "prices", prices)
        object.__setattr__(self, "_trees", self._grown())

    def ms(self, works: Sequence[Work]) -> Floats:
        """Return the milliseconds guessed for blocks, [blocks]."""
        law = self._law(works)
        if self._trees is None or len(works) == 0:
            return law
        guessed: Floats = law * np.exp(self._trees.predict(_features(works, law)))
        return guessed

    def _law(self, works: Sequence[Work]) -> Floats:
        terms = np.array([_terms(work) for work in works]).reshape(-1, len(self.prices))
        law: Floats = np.maximum(terms @ self.prices, LEAST_MS)
        return law

    def _grown(self) -> Any:
        if len(self.works) < FEWEST_FOR_TREES:
            return None
        from sklearn.ensemble import HistGradientBoostingRegressor

        law = self._law(self.works)
        trees = HistGradientBoostingRegressor(
            max_iter=200, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=5, random_state=0
        )
        return trees.fit(_features(self.works, law), np.log(self.times / law))


def _terms(work: Work) -> Floats:
    return np.array(
        [*work.macs, work.padded_macs, work.moved_mb, work.weights_mb, work.operators, 1.0]
    )


def _features(works: Sequence[Work], law: Floats) -> Floats:
    sizes = [
        [*work.macs, work.padded_macs, work.moved_mb, work.weights_mb, work.widest_mb]
        for work in works
    ]
    plain = [[work.operators, *work.shape] for work in works]
    return np.column_stack([np.log(np.array(sizes) + 1e-4), np.array(plain), np.log(law)])
