"""The budgeted batch evaluation of the official MSDNet and RANet code: 39 settings.

No budget is solved for. Setting p = 1..39 gives exit k a share proportional to (p/20)^k; the
thresholds that part the held-out images so trace the curve, on those and on any other images.
"""

import numpy as np

from nas.exits.candidates import geometric_shares, quota_thresholds
from nas.exits.policy import ExitPolicy
from nas.measurement import HeldOut

SETTINGS = range(1, 40)
UNIFORM = 20  # the setting in which every exit takes the same share


def official_policies(held_out: HeldOut) -> tuple[ExitPolicy, ...]:
    """The policy of every setting, by the official rules: float32, thresholds on the images.

    Where they let nobody leave the threshold is NEVER, theirs 1e8; the last is 0.0, theirs -1e8.
    For a float32 rendering of `held_out`; score them with `as_official` of any images.
    """
    exits = held_out.exits
    shares = np.stack([geometric_shares(p / UNIFORM, exits) for p in SETTINGS])
    rows = quota_thresholds(held_out.confidence.astype(np.float32), shares).tolist()
    return tuple(
        ExitPolicy(tuple(row), f"official sweep, p={p}")
        for p, row in zip(SETTINGS, rows, strict=True)
    )


def as_official(held_out: HeldOut) -> HeldOut:
    """The same images with confidences rounded to float32, as the official code keeps them."""
    return HeldOut(held_out.confidence.astype(np.float32), held_out.correct)
