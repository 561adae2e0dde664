"""Which policy to judge a network under: its own, or one that the user asks for."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from nas.errors import UserError
from nas.evaluation.cost import ExitCost
from nas.exits import ExitPolicy, always, budgeted_policy, latest_within, score
from nas.exits.budget import figure
from nas.exits.candidates import thresholds_for
from nas.measurement import HeldOut
from nas.quantities import latency_ms
from nas.scaling import macs

_CALIBRATED = ", as many leaving after calibration"


def limit(text: str) -> tuple[float, str]:
    """A cost and its unit, "ms" or "MACs", in a text such as 2ms, 800us, 20M or 1.5G.

    Raises UserError for anything else.
    """
    for read, unit in ((latency_ms, "ms"), (macs, "MACs")):
        with suppress(UserError):
            return read(text), unit
    raise UserError(f"{text!r} is no budget: a latency such as 2ms, or MACs such as 20M")


def within(asked: tuple[float, str], cost: ExitCost) -> ExitPolicy:
    """Every image leaves at the last exit that costs no more than asked.

    Raises UserError, naming the least possible, where even the first exit costs more.
    """
    most, unit = asked
    each = _of(cost, unit)
    exit = latest_within(each, most)
    if exit is None:
        least = figure(each[0], unit, up=True)
        raise UserError(f"no exit within {figure(most, unit)}: the first one takes {least}")
    policy = always(exit, len(each))
    return ExitPolicy(policy.thresholds, f"{policy.found}, the last within {figure(most, unit)}")


def within_on_average(asked: tuple[float, str], cost: ExitCost, held_out: HeldOut) -> ExitPolicy:
    """The policy of a budgeted batch; raises UserError as `within` does."""
    most, unit = asked
    return budgeted_policy(held_out, _of(cost, unit), most, unit)


def same_shares(policy: ExitPolicy, before: HeldOut, after: HeldOut) -> ExitPolicy:
    """Thresholds for new confidences of the same images by which as many leave at each exit.

    An exit that all or none leave at, whatever the images, stays so.
    """
    here = score(policy, before, (1.0,) * before.exits, (1,) * before.exits)
    # Half an image more, so that a quotient of counts gives the count again.
    shares = np.array([here.shares]) + 0.5 / before.images
    found = thresholds_for(after, shares)[0].tolist()
    kept = [
        old if not 0 < old <= 1 else new for old, new in zip(policy.thresholds, found, strict=True)
    ]
    if tuple(kept) == policy.thresholds:
        return policy
    return ExitPolicy(tuple(kept), policy.found.removesuffix(_CALIBRATED) + _CALIBRATED)


def _of(cost: ExitCost, unit: str) -> Sequence[float]:
    return cost.latency_ms if unit == "ms" else cost.macs
