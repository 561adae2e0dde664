"""Expected improvements (Mockus 1975; Jones et al. 1998) of one value that is not known yet."""

from itertools import pairwise

import numpy as np
from scipy.stats import norm


def expected(mean: np.ndarray, deviation: np.ndarray, best: np.ndarray) -> np.ndarray:
    """E[max(value - best, 0)] of normal values; all arguments broadcast."""
    z = (mean - best) / deviation
    return np.asarray((mean - best) * norm.cdf(z) + deviation * norm.pdf(z))


def log_expected(mean: np.ndarray, deviation: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Logarithm of `expected`, exact far below the best too (Ament et al. 2023, arXiv 2310.20708).

    Where the expectation is too small for a floating point number its order still tells.
    """
    z = (mean - best) / deviation
    plain = z * norm.cdf(z) + norm.pdf(z)
    # For z < -5 the difference of the two terms is lost to rounding; its asymptotic series is not.
    series = norm.logpdf(z) - 2 * np.log(np.maximum(np.abs(z), 1.0)) - 3 / np.maximum(z * z, 25.0)
    with np.errstate(divide="ignore"):
        exact = np.log(np.maximum(plain, 1e-300))
    return np.asarray(np.log(deviation) + np.where(z < -5, series, exact))


def expected_hypervolume(
    mean: np.ndarray,
    deviation: np.ndarray,
    known: np.ndarray,
    front: np.ndarray,
    reference: np.ndarray,
) -> np.ndarray:
    """Expected gain of dominated hypervolume where all but the first objective are known.

    With the others known the gain is a piecewise linear function of the first: between two levels
    its slope is what the others alone would add to those front points that reach the upper level.
    So its expectation is a sum of expected improvements, without sampling and for any front.

    Args:
        mean, deviation: float64 [n], of the first objective; higher is better in all.
        known: float64 [n, 1 or 2], the other objectives.
        front: float64 [m, 2 or 3], points reached so far.
        reference: float64 [2 or 3]; what is worse than it in any objective adds nothing.
    """
    front = front[(front > reference).all(axis=1)]
    levels = np.unique(front[:, 0])
    edges = np.concatenate([[reference[0]], levels, [np.inf]])
    gain = np.zeros(len(mean))
    for low, high in pairwise(edges):
        reaching = front[front[:, 0] >= high, 1:] if np.isfinite(high) else front[:0, 1:]
        slope = _added(known, reaching, reference[1:])
        below = expected(mean, deviation, np.array(low))
        above = expected(mean, deviation, np.array(high)) if np.isfinite(high) else 0.0
        gain += slope * (below - above)
    return gain


def _added(points: np.ndarray, front: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Length or area that each point adds to what the front covers above the reference."""
    if points.shape[1] == 1:
        covered = max([float(reference[0]), *front[:, 0].tolist()])
        return np.asarray(np.maximum(points[:, 0] - covered, 0.0))
    size = np.maximum(points - reference, 0.0)
    total = size[:, 0] * size[:, 1]
    # What of each point's rectangle the staircase of the front covers, step by step from the right.
    order = np.argsort(-front[:, 0])
    height = np.zeros(len(points))
    covered_area = np.zeros(len(points))
    for x, y in front[order]:
        width = np.clip(x - reference[0], 0, size[:, 0])
        taller = np.clip(y - reference[1], 0, size[:, 1])
        # From here leftwards the staircase is at least this high.
        covered_area += width * np.maximum(taller - height, 0)
        height = np.maximum(height, taller)
    return np.asarray(total - covered_area)
