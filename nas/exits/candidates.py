"""The policies worth trying: thresholds from data, for shares proportional to r^k.

MSDNet (Huang et al., ICLR 2018), section 3: an image that reaches a classifier leaves there with
probability q, so exit k should take a share proportional to (1-q)^(k-1), and thresholds are chosen
on held-out data so that it does. Here r = 1-q runs over (0, infinity): r > 1 favours late exits,
which no q expresses but the official sweep of 39 settings also covers.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from nas.exits.policy import ExitPolicy, FloatArray
from nas.measurement import HeldOut

NEVER = 2.0  # a threshold no probability reaches; infinity is no JSON number
_OCTAVES = np.linspace(-6, 6, 37)  # log2 r: from exit to exit the share shrinks or grows up to 64x


def geometric_shares(ratio: float, exits: int) -> npt.NDArray[np.float32]:
    """Shares proportional to ratio^k, summing to one; float32 as in the official evaluation."""
    weights = np.float32(ratio) ** np.arange(1, exits + 1, dtype=np.float32)
    return np.asarray(weights / weights.sum(), dtype=np.float32)


def quota_thresholds(confidence: FloatArray, shares: FloatArray) -> FloatArray:
    """Thresholds [policies, exits] at which about `shares` [policies, exits] of the images leave.

    Exit by exit, the threshold is the confidence of the image that fills the exit's quota,
    floor(images * share), counted among the images that have not left, the surest first. All who
    are as sure as that image leave with it. A quota of zero, or one that too few images remain
    for, lets nobody leave. `confidence` is [images, exits].
    """
    images, _exits = confidence.shape
    quota = np.floor(np.float32(images) * shares.astype(np.float32)).astype(np.int32)
    thresholds = np.full(shares.shape, NEVER, dtype=confidence.dtype)
    thresholds[:, -1] = 0.0
    stays = np.ones((len(shares), images), np.bool_)
    for k, sure in enumerate(np.ascontiguousarray(confidence.T)[:-1]):
        order = np.argsort(-sure)
        ranked = np.flatnonzero(stays[:, order])  # policy * images + rank, of all who stay
        staying = np.count_nonzero(stays, axis=1)
        filled = (quota[:, k] > 0) & (staying >= quota[:, k])
        first = np.cumsum(staying) - staying
        rank = ranked[(first + quota[:, k] - 1)[filled]] % images
        thresholds[filled, k] = sure[order[rank]]
        stays &= sure < thresholds[:, k, None]
    return thresholds


def between_float16(thresholds: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """Thresholds for unrounded confidences that part them as `thresholds` part rounded ones.

    Stored confidences are rounded to float16, those of a running network are not: an image of
    0.9999 is stored as 1.0 and would never reach a threshold of 1.0. So each threshold moves down
    to the smallest float32 that rounds to it.
    """
    below = np.nextafter(thresholds, np.float16(-1.0))
    middle = (thresholds.astype(np.float32) + below.astype(np.float32)) / 2
    tie_rounds_down = middle.astype(np.float16) < thresholds
    edge = np.where(tie_rounds_down, np.nextafter(middle, np.float32(np.inf)), middle)
    return np.where((thresholds > 0) & (thresholds <= 1), edge, thresholds).astype(np.float32)


@cache
def recipes(exits: int) -> tuple[str, ...]:
    """Name the rows of `candidate_thresholds`."""
    always = tuple(f"always exit {k}" for k in range(1, exits))
    if exits == 1:
        return ("never exit early",)
    ratios = tuple(f"shares r^k, r={2.0**octave:.3g}" for octave in _OCTAVES)
    return (*always, *ratios, "never exit early")


@cache
def _fixed(exits: int) -> FloatArray:
    """Thresholds that need no data: always exit 1, ..., always exit K = never exit early."""
    thresholds = np.full((exits, exits), NEVER, np.float32)
    thresholds[np.triu_indices(exits)] = 0.0
    return thresholds


@cache
def _grid(exits: int) -> FloatArray:
    return np.stack([geometric_shares(float(2.0**octave), exits) for octave in _OCTAVES])


def midway(confidence: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Thresholds [policies, exits] that part `confidence` [images, exits] as the given ones do.

    Each moves down, halfway to the next less sure image: the image that was the threshold itself
    then stays on its side when another batch size or runtime rounds its confidence otherwise.
    """
    moved = thresholds.copy()
    for k, sure in enumerate(confidence.T):
        levels = np.concatenate([[0.0], np.unique(sure)])
        inside = (thresholds[:, k] > 0) & (thresholds[:, k] <= 1)
        at = np.searchsorted(levels, thresholds[inside, k])
        below = levels[at - 1]
        middle = (below + thresholds[inside, k]) / 2
        moved[inside, k] = np.where(middle > below, middle, thresholds[inside, k])
    return moved


def between_images(held_out: HeldOut, thresholds: FloatArray) -> FloatArray:
    """Thresholds [policies, exits] for a running network that part `held_out` as the given do.

    float32 for confidences stored in float16, else float64; 0 and what is above 1 stay.
    """
    if held_out.confidence.dtype == np.float16:
        return between_float16(thresholds.astype(np.float16))
    return midway(held_out.confidence, thresholds)


def thresholds_for(held_out: HeldOut, shares: FloatArray) -> FloatArray:
    """Thresholds [policies, exits] with which `shares` of the images leave, for a running network.

    Those of `quota_thresholds`, moved off the images they were found on as `between_images` does.
    """
    return between_images(held_out, quota_thresholds(held_out.exact, shares))


def candidate_thresholds(held_out: HeldOut) -> FloatArray:
    """Thresholds found on `held_out`, [policies, exits], one row per recipe."""
    fixed = _fixed(held_out.exits)
    if held_out.exits == 1:
        return fixed
    found = thresholds_for(held_out, _grid(held_out.exits))
    return np.concatenate([fixed[:-1], found, fixed[-1:]])


def candidates(held_out: HeldOut) -> tuple[ExitPolicy, ...]:
    """Every policy worth trying on a network with these confidences, duplicates included."""
    rows = candidate_thresholds(held_out).tolist()
    names = recipes(held_out.exits)
    return tuple(ExitPolicy(tuple(row), name) for row, name in zip(rows, names, strict=True))
