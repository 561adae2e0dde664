"""Networks that were trained more than once, and which of their trainings stands for them.

A controller that learns how noisy trainings are may want one of the best networks trained once
more: of many results the highest is the luckiest. The middle one stands for the network, of two the
worse one: its weights, its thresholds and its answers belong together, as a mean's would not.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from nas.measurement import Measurement
from nas.record import TrialRecord

T = TypeVar("T")


def middle(trainings: Sequence[T], order: Callable[[T], tuple[float, int]]) -> T:
    """The training that stands for a network; of an even number the worse one in the middle.

    trainings: at least one. order: the quality of each, and its trial.
    """
    ordered = sorted(trainings, key=order)
    return ordered[(len(ordered) - 1) // 2]


def quality(measurement: Measurement) -> float:
    """The accuracy over all exits: by it trainings of one network are compared, whatever T is."""
    return float(measurement.held_out.correct.mean())


def settled(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The records without the trainings that do not stand for their network, in their order."""
    listed = list(records)
    trainings: dict[str, list[tuple[float, int]]] = {}
    for record in listed:
        if is_training(record):
            assert record.architecture is not None and record.measurement is not None
            found = trainings.setdefault(record.architecture.key, [])
            found.append((quality(record.measurement), record.trial))
    stand = {middle(found, lambda each: each)[1] for found in trainings.values()}
    return [record for record in listed if not is_training(record) or record.trial in stand]


def repeated(records: Iterable[TrialRecord]) -> int:
    """How many trainings were of a network that had been trained before."""
    keys = [r.architecture.key for r in records if is_training(r) and r.architecture is not None]
    return len(keys) - len(set(keys))


def is_training(record: TrialRecord) -> bool:
    """Whether the trial trained its network, to the end."""
    return record.state == "complete" and record.reused_from is None
