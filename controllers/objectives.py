"""What is known of an architecture before it is trained, turned as a surrogate needs it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from controllers.encoding import forget
from controllers.protocols import Measured, Weighing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controllers.history import Lesson
    from controllers.protocols import Cost, Keyed


HUGE = 1e100


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one architecture, one number an objective.

    `weights`: the known factors, above 0. `known`: the whole, higher is better, None if unknown.
    """

    weights: tuple[float, ...]
    known: tuple[float | None, ...]


class Objectives:
    """The objectives of a study: one is learnt, the others mostly known beforehand.

    The learnt one is a weight, which is known, times an accuracy, which a model learns. The others
    are known from the cost; where it says nothing of them they are learnt too, beside weights.

    Args:
        cost: what is known before training, or None.
        signs: 1 for an objective to maximise, -1 for one to minimise.
    """

    def __init__(self, cost: "Cost | None", signs: "tuple[float, ...]") -> None:
        self._cost, self.signs = cost, signs
        self._facts: dict[str, Facts] = {}

    def facts(self, architecture: "Keyed") -> Facts:
        """What is known; remembered, as a cost may walk through the whole network."""
        found = self._facts.get(architecture.key)
        if found is None:
            forget(self._facts)
            found = self._facts[architecture.key] = self._asked(architecture)
        return found

    def weights(self, architectures: "Sequence[Keyed]", at: int) -> np.ndarray:
        """The known factor of an objective, float64 [n]."""
        return np.array([self.facts(each).weights[at] for each in architectures])

    def learnt(self, lessons: "Sequence[Lesson]") -> int:
        """Which objective is learnt: one that nobody knows before training.

        Of several the first to maximise: accuracy, not the share of a latency that is left open.
        """
        known = self.facts(lessons[0].architecture).known
        unknown = [at for at, value in enumerate(known) if value is None]
        return min(unknown, key=lambda at: -self.signs[at], default=0)

    def others(self, lessons: "Sequence[Lesson]") -> tuple[tuple[int, bool], ...]:
        """The objectives beside the learnt one, each with whether it is known beforehand."""
        learnt, known = self.learnt(lessons), self.facts(lessons[0].architecture).known
        return tuple((at, value is not None) for at, value in enumerate(known) if at != learnt)

    def measure(self, architecture: "Keyed") -> "Sequence[float]":
        """Numbers that a model may learn from; none where the cost knows none."""
        cost: object = self._cost
        if isinstance(cost, Measured):
            return cost.measures(architecture)
        return (float(cost(architecture)),) if callable(cost) else ()

    def _asked(self, architecture: "Keyed") -> Facts:
        unknown = Facts((1.0,) * len(self.signs), (None,) * len(self.signs))
        cost: object = self._cost
        if not isinstance(cost, Weighing):
            return unknown
        known = tuple(cost.known(architecture))
        if len(known) != len(self.signs):
            return unknown  # another study's objectives: this one learns all of its own
        signed = zip(self.signs, known, strict=True)
        return Facts(
            tuple(cost.weights(architecture)),
            tuple(None if value is None else sign * value for sign, value in signed),
        )


def units(values: np.ndarray) -> np.ndarray:
    """What to divide each objective by, float64 [objectives], for its squares to stay finite.

    1 but for the hugest values, such as the 1e308 that some tell for a failure.
    """
    most = np.abs(values).max(axis=0)
    return np.where(most > HUGE, most, 1.0)
