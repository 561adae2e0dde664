"""The reward that weighs accuracy against latency (MnasNet, Tan et al., CVPR 2019, section 3)."""

import math
from dataclasses import dataclass
from typing import Literal

from nas.errors import UserError

Risk = Literal["mean", "upper"]
"""Which latency is weighed: the estimate, or the upper end of its interval."""

SOFT_W = -0.07
"""Twice the latency should buy 5 % relative accuracy (MnasNet, section 3)."""


def reward(
    accuracy: float,
    latency_ms: float,
    target_ms: float,
    w: float = SOFT_W,
    *,
    alpha: float | None = None,
    beta: float | None = None,
) -> float:
    """Return ACC * (LAT / T)^w, where w is `alpha` when LAT <= T and `beta` above.

    `accuracy` is a fraction, both times are milliseconds. `w` stands for both exponents unless
    one is given. Exponents are never positive: slower is never better. At LAT = T the reward is
    the accuracy. Source: MnasNet (Tan et al., CVPR 2019), section 3, equations 2 and 3: soft,
    alpha = beta = -0.07 (twice the latency should buy 5 % relative accuracy); hard, alpha = 0 and
    beta = -1. Raises UserError for a value out of range.
    """
    if not 0.0 <= accuracy <= 1.0:
        raise UserError(f"accuracy {accuracy}: must be a fraction between 0 and 1")
    if not (math.isfinite(latency_ms) and latency_ms > 0):
        raise UserError(f"latency {latency_ms} ms: must be a positive number of milliseconds")
    alpha, beta = w if alpha is None else alpha, w if beta is None else beta
    return Reward(target_ms, alpha, beta)(accuracy, latency_ms)


@dataclass(frozen=True, slots=True)
class Reward:
    """The reward of `reward` with its target (milliseconds) and exponents fixed.

    Raises UserError for a target that is not positive or an exponent above 0.
    """

    target_ms: float
    alpha: float
    beta: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.target_ms) and self.target_ms > 0):
            raise UserError(
                f"target latency {self.target_ms} ms: must be a positive number of milliseconds"
            )
        for exponent in (self.alpha, self.beta):
            if not (math.isfinite(exponent) and exponent <= 0):
                raise UserError(
                    f"reward exponent {exponent}: must be 0 or negative, such as -0.07 "
                    "(a positive one would reward slowness)"
                )

    @classmethod
    def soft(cls, target_ms: float, w: float = SOFT_W) -> "Reward":
        """Make the target a preference: one exponent on both sides of it."""
        return cls(target_ms, w, w)

    @classmethod
    def hard(cls, target_ms: float) -> "Reward":
        """Make the target a limit: nothing is won below it, and much is lost above."""
        return cls(target_ms, 0.0, -1.0)

    def __call__(self, accuracy: float, latency_ms: float) -> float:
        """Return the reward of an accuracy (fraction) at a latency (milliseconds, positive)."""
        exponent = self.alpha if latency_ms <= self.target_ms else self.beta
        return float(accuracy * (latency_ms / self.target_ms) ** exponent)
