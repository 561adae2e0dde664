"""How far estimates are from measurements: the figures that a model and its verification state."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Errors:
    """Of ``n`` networks at their last exits; relative errors and shares, not percent.

    ``mape``: mean of |estimate/measured - 1|. ``within_5``, ``within_10``: shares of networks off
    by at most 5 and 10 %. ``coverage_90``: share whose interval holds the measured figure; None
    where intervals were made of these very networks.
    ``noise``: median difference between even and odd rounds of the measurement itself: an error
    below it is no claim; None of a single round. Rank correlations are None for fewer than three
    networks, and where all are alike.
    """

    n: int
    mape: float
    within_5: float
    within_10: float
    spearman: float | None
    kendall: float | None
    coverage_90: float | None
    noise: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the figures by their names, rounded."""
        return {
            name: round(value, 5) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def compare(
    said: Floats,
    measured: Floats,
    noises: Sequence[float] | Floats,
    ends: tuple[Floats, Floats] | None = None,
) -> Errors:
    """Compare estimates with measured milliseconds, all [networks].

    ``ends``: the lower and the upper ends of their intervals.
    """
    off = np.abs(said / measured - 1)
    enough = len(said) > 2
    return Errors(
        n=len(said),
        mape=float(off.mean()),
        within_5=float((off <= 0.05).mean()),
        within_10=float((off <= 0.10).mean()),
        spearman=_finite(spearmanr(said, measured)[0]) if enough else None,
        kendall=_finite(kendalltau(said, measured)[0]) if enough else None,
        coverage_90=None
        if ends is None
        else float(((ends[0] <= measured) & (measured <= ends[1])).mean()),
        noise=_finite(np.median(noises)),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
