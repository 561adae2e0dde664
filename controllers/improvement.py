"""Expected improvements (Mockus 1975; Jones et al. 1998) of one value that is not known yet."""

import numpy as np
from scipy.special import ndtr

from controllers.dominance import nondominated

ROOT_TWO_PI = np.sqrt(2 * np.pi)
FAR = 12.0
"""Standard deviations below the best from which on a series is the better formula."""


def expected(mean: np.ndarray, deviation: np.ndarray, best: np.ndarray) -> np.ndarray:
    """E[max(value - best, 0)] of normal values; all arguments broadcast."""
    z = (mean - best) / deviation
    density = np.exp(-0.5 * z * z) / ROOT_TWO_PI
    return np.asarray((mean - best) * ndtr(z) + deviation * density)


def log_expected(mean: np.ndarray, deviation: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Logarithm of `expected`, to a thousandth also far below the best.

    Where the expectation is too small for a floating point number its order still tells (Ament et
    al. 2023, arXiv 2310.20708).
    """
    z = (mean - best) / deviation
    log_density = -0.5 * z * z - np.log(ROOT_TWO_PI)
    plain = z * ndtr(z) + np.exp(log_density)
    # Far below the two terms cancel; what they leave is the density times an asymptotic series.
    square = np.maximum(z * z, FAR**2)
    series = log_density - np.log(square) + np.log1p((-3 + 15 / square) / square)
    exact = np.log(np.maximum(plain, 1e-300))
    return np.asarray(np.log(deviation) + np.where(z < -FAR, series, exact))


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
    front = front[nondominated(front)]
    levels = np.concatenate([reference[:1], np.unique(front[:, 0])])
    over = expected(mean, deviation, levels[:, None])  # [levels, n]
    between = over - np.vstack([over[1:], np.zeros(len(mean))])
    gain = np.zeros(len(mean))
    for low, part in zip(levels, between, strict=True):
        gain += _added(known, front[front[:, 0] > low, 1:], reference[1:]) * part
    return gain


def _added(points: np.ndarray, front: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Length or area that each point adds to what the front covers above the reference."""
    if points.shape[1] == 1:
        covered = max([float(reference[0]), *front[:, 0].tolist()])
        return np.asarray(np.maximum(points[:, 0] - covered, 0.0))
    size = np.maximum(points - reference, 0.0)
    total = size[:, 0] * size[:, 1]
    # What of each point's rectangle the staircase of the front covers, step by step from the right.
    height = np.zeros(len(points))
    covered_area = np.zeros(len(points))
    for x, y in front[np.argsort(-front[:, 0])]:
        width = np.clip(x - reference[0], 0, size[:, 0])
        taller = np.clip(y - reference[1], 0, size[:, 1])
        # From here leftwards the staircase is at least this high.
        covered_area += width * np.maximum(taller - height, 0)
        height = np.maximum(height, taller)
    return np.asarray(total - covered_area)
