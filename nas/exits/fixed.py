"""Policies that need no data: one threshold for all exits, or one exit for all images."""

from collections.abc import Sequence

import numpy as np

from nas.errors import UserError
from nas.exits.candidates import NEVER
from nas.exits.policy import ExitPolicy

THRESHOLDS = (*np.linspace(0, 0.95, 20).round(2).tolist(), 0.98, 0.99, 0.995, 0.998, 0.999, 1.0)
"""What a curve over single thresholds shows."""


def single_threshold(threshold: float, exits: int) -> ExitPolicy:
    """The policy by which an image leaves at the first exit that is so sure, 0 to 1.

    Raises UserError for a threshold that is no probability.
    """
    if not 0.0 <= threshold <= 1.0:
        raise UserError(f"threshold {threshold:g}: a confidence is between 0 and 1, such as 0.8")
    return ExitPolicy((threshold,) * (exits - 1) + (0.0,), f"one threshold, {threshold:g}")


def always(exit: int, exits: int) -> ExitPolicy:
    """The policy by which every image leaves at this exit, counted from 0."""
    early = (NEVER,) * exit + (0.0,) * (exits - exit)
    return ExitPolicy(early, f"always exit {exit + 1}")


def latest_within(cost: Sequence[float], budget: float) -> int | None:
    """The last exit, from 0, that costs at most `budget` (anytime prediction); None if none does.

    cost: of each exit, cumulative, in the unit of `budget`.
    """
    within = [k for k, each in enumerate(cost) if each <= budget]
    return within[-1] if within else None
