"""Weights on disk: only those of trials that a front point needs."""

from typing import TYPE_CHECKING

from nas import atomic, pareto
from nas.exits import policy_scores
from nas.measurement import Measurement
from nas.objective import DIRECTIONS

if TYPE_CHECKING:
    from nas.run import Run


class KeptWeights:
    """The front over all (trial, policy) points so far, and the files that go with it.

    A trial that left the front never comes back to it, so its weights are dropped for good.
    """

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._objective = run.objective()
        self._points: list[tuple[float, ...]] = []
        self._trials: list[int] = []  # the trial of each point

    @property
    def trials(self) -> frozenset[int]:
        """The trials on the front."""
        directions = tuple(DIRECTIONS[fact] for fact in self._objective.plane)
        return frozenset(self._trials[i] for i in pareto.front(self._points, directions))

    def add(self, trial: int, measurement: Measurement, weights: bytes | None) -> None:
        """A finished trial; `weights` None when its file, if it needs one, is there already."""
        for seen in policy_scores(measurement):
            plane = self._objective.plane
            self._points.append(self._objective.point(measurement, seen, plane))
            self._trials.append(trial)
        if weights is not None and trial in self.trials:
            atomic.write(self._run.weights_path(trial), weights)

    def drop_others(self) -> None:
        """Deletes the weights of trials that are not on the front."""
        kept = {self._run.weights_path(trial).name for trial in self.trials}
        for file in (self._run.path / "weights").glob("*.safetensors"):
            if file.name not in kept:
                file.unlink()
