"""Temperatures that make an exit as sure as it is right, and how far it is from that.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017: one temperature divides the
logits, found by the least negative log likelihood on held-out images; it changes no answer.
"""

import numpy as np
from torch import Tensor

from nas.exits.bisection import crossing
from nas.measurement import HeldOut

BINS = 15
COLDEST, HOTTEST = 0.05, 20.0
"""Bounds: an exit that is always right would want no temperature at all."""


def temperatures(logits: Tensor, labels: Tensor) -> tuple[float, ...]:
    """The temperature of each exit with the least negative log likelihood.

    logits: [images, exits, classes]; labels: int64 [images]. Deterministic, to float64.
    """
    return tuple(_temperature(logits[:, k].double(), labels) for k in range(logits.shape[1]))


def _temperature(logits: Tensor, labels: Tensor) -> float:
    """Where the slope of the likelihood is zero: convex in the inverse of the temperature."""
    true = logits.gather(1, labels[:, None]).squeeze(1)

    def slope(inverse: float) -> float:
        expected = ((logits * inverse).softmax(dim=1) * logits).sum(dim=1)
        return float((expected - true).mean())

    return 1.0 / crossing(slope, 1.0 / HOTTEST, 1.0 / COLDEST)


def calibration_error(held_out: HeldOut, bins: int = BINS) -> tuple[float, ...]:
    """Expected calibration error of each exit, in 0..1 (Guo et al., section 2).

    Images are put into equally wide bins of confidence, (0, 1/bins] the first; the error is the
    mean over images of their bin's distance between mean confidence and accuracy.
    """
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    errors = []
    for k in range(held_out.exits):
        sure = held_out.confidence[:, k].astype(np.float64)
        inside = np.searchsorted(edges, sure, side="left")
        excess = np.bincount(inside, sure - held_out.correct[:, k], minlength=bins)
        errors.append(float(np.abs(excess).sum() / held_out.images))
    return tuple(errors)
