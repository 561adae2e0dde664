"""Weights on disk: only those of the best trial and of trials that a front point needs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas import atomic, pareto
from nas.exits import policy_scores
from nas.measurement import Measurement
from nas.objective import DIRECTIONS
from nas.repetitions import middle, quality

if TYPE_CHECKING:
    from nas.run import Run

Point = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Training:
    """What is remembered of a trial. points: of its exit policies, those that no other beats."""

    trial: int
    quality: float
    merit: tuple[float, float]
    points: tuple[Point, ...]


class KeptWeights:
    """The front over all (trial, policy) points so far, the best trial, and the files of both.

    The best one need not be on the front: its score is that of a policy chosen on other images.
    A network that left the front, or was beaten, comes back only where one that beat it was trained
    again and is worse: its weights are gone then.
    """

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._objective = run.objective()
        self._trainings: dict[str, list[_Training]] = {}  # by key of the network
        self._front: list[tuple[Point, str]] = []  # with the network of each point

    @property
    def trials(self) -> frozenset[int]:
        """The trials of the networks on the front, and of the best one, each time it was trained.

        Which of a network's trainings stands for it another one may change.
        """
        if not self._trainings:
            return frozenset()
        stand = {key: self._stands(key) for key in self._trainings}
        best = max(stand, key=lambda key: (stand[key].merit, -stand[key].trial))
        kept = {best, *(key for _, key in self._front)}
        return frozenset(each.trial for key in kept for each in self._trainings[key])

    def add(self, trial: int, key: str, measurement: Measurement, weights: bytes | None) -> bool:
        """A finished trial; `weights` None when its file, if it needs one, is there already.

        Returns whether the front has a point of its network that it had not before.
        """
        before = {point for point, of in self._front if of == key}
        new = self._training(trial, measurement)
        others = self._trainings.setdefault(key, [])
        others.append(new)
        if len(others) == 1:
            # What left the front does not come back: thousands of trials stay quick.
            points = [*self._front, *((point, key) for point in new.points)]
        else:
            points = [(point, k) for k in self._trainings for point in self._stands(k).points]
        self._front = [points[at] for at in self._undominated([point for point, _ in points])]
        if weights is not None and trial in self.trials:
            atomic.write(self._run.weights_path(trial), weights)
        return any(of == key and point not in before for point, of in self._front)

    def drop_others(self) -> None:
        """Deletes the weights of all other trials."""
        kept = {self._run.weights_path(trial).name for trial in self.trials}
        for file in (self._run.path / "weights").glob("*.safetensors"):
            if file.name not in kept:
                file.unlink()

    def _training(self, trial: int, measurement: Measurement) -> _Training:
        plane = self._objective.plane
        points = [
            self._objective.point(measurement, seen, plane)
            for seen in policy_scores(measurement.at(self._objective.risk))
        ]
        return _Training(
            trial,
            quality(measurement),
            self._objective.merit(measurement),
            tuple(points[at] for at in self._undominated(points)),
        )

    def _stands(self, key: str) -> _Training:
        return middle(self._trainings[key], lambda each: (each.quality, each.trial))

    def _undominated(self, points: list[Point]) -> tuple[int, ...]:
        return pareto.front(points, tuple(DIRECTIONS[fact] for fact in self._objective.plane))
