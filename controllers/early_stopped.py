"""What trials teach that did not reach the end: stopped for lack of promise, or by their own fault.

A training that was stopped after some epochs is not as bad as it looks beside finished ones: it is
taken for as good as it was then, and the gain that others had from there to the end, the median.
One that came to no number, or needed more memory than there is, counts as the worst so far.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from optuna.trial import FrozenTrial, TrialState

from controllers.record import FAULT, OWN_FAULTS, RUNGS

Values = tuple[float, ...]


def taught(trials: Sequence[FrozenTrial], signs: Values) -> list[tuple[FrozenTrial, Values]]:
    """The trials that teach something, in their order, each with the values it counts for.

    trials: finished ones in the order they were told. signs: 1 for an objective to maximise, -1 for
    one to minimise; the values are turned by them, so that higher is better. A gain is estimated
    anew whenever twice as many trials know it: what was learnt from the trials so far holds until
    then.
    """
    gains = _gains(trials)
    found: list[tuple[FrozenTrial, Values]] = []
    for trial in trials:
        values = _values(trial, gains)
        if values is not None:
            turned = tuple(sign * value for sign, value in zip(signs, values, strict=True))
            if all(map(math.isfinite, turned)):
                found.append((trial, turned))
        elif trial.system_attrs.get(FAULT) in OWN_FAULTS and found:
            found.append((trial, tuple(map(min, zip(*(v for _, v in found), strict=True)))))
    return found


def is_whole(trial: FrozenTrial) -> bool:
    """Whether its values are those of a training to the end."""
    return trial.state == TrialState.COMPLETE


END = math.inf
Gains = dict[float, tuple[float, Values]]  # from so many epochs: to how many, and by how much


def _steps(trial: FrozenTrial) -> list[tuple[float, Values]]:
    """Epochs and values of each comparison and, of a whole training, of its end."""
    steps = [(float(epochs), tuple(values)) for epochs, values in trial.system_attrs.get(RUNGS, ())]
    return [*steps, (END, tuple(trial.values))] if is_whole(trial) else steps


def _gains(trials: Sequence[FrozenTrial]) -> Gains:
    """From each rung to the next that any trial reached."""
    seen: dict[tuple[float, float], list[Values]] = {}
    for trial in trials:
        steps = _steps(trial)
        for (first, before), (second, after) in pairwise(steps):
            gain = tuple(a - b for a, b in zip(after, before, strict=True))
            seen.setdefault((first, second), []).append(gain)
    return {
        first: (second, tuple(map(median, zip(*gains[: _power(len(gains))], strict=True))))
        for (first, second), gains in sorted(seen.items())
    }


def _power(count: int) -> int:
    """The largest power of two that is not above `count`, which is at least 1."""
    return 1 << (count.bit_length() - 1)


def _values(trial: FrozenTrial, gains: Gains) -> Values | None:
    """As they were told, or as they would have been; None where nothing is known."""
    if is_whole(trial):
        return tuple(trial.values)
    if trial.state != TrialState.PRUNED or not trial.system_attrs.get(RUNGS):
        return None
    epochs, values = _steps(trial)[-1]
    while epochs in gains:
        epochs, gain = gains[epochs]
        values = tuple(value + more for value, more in zip(values, gain, strict=True))
    return values
