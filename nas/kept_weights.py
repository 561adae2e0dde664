"""Weights on disk: only those of the best trial and of trials that a front point needs."""

from typing import TYPE_CHECKING

from nas import atomic, pareto
from nas.exits import policy_scores
from nas.measurement import Measurement
from nas.objective import DIRECTIONS

if TYPE_CHECKING:
    from nas.run import Run


class KeptWeights:
    """The front over all (trial, policy) points so far, the best trial, and the files of both.

    The best one need not be on the front: its score is that of a policy chosen on other images.
    A trial that left the front, or was beaten, never comes back, so its weights go for good.
    """

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._objective = run.objective()
        self._points: list[tuple[float, ...]] = []  # of the front, in the order of their trials
        self._trials: list[int] = []  # the trial of each
        self._best: tuple[tuple[float, ...], int] | None = None  # merit, minus the trial

    @property
    def trials(self) -> frozenset[int]:
        """The trials on the front, and the best one."""
        return frozenset({*self._trials, *({-self._best[1]} if self._best else ())})

    def add(self, trial: int, measurement: Measurement, weights: bytes | None) -> None:
        """A finished trial; `weights` None when its file, if it needs one, is there already."""
        plane = self._objective.plane
        for seen in policy_scores(measurement.at(self._objective.risk)):
            self._points.append(self._objective.point(measurement, seen, plane))
            self._trials.append(trial)
        # What left the front never comes back: thousands of trials stay quick.
        kept = pareto.front(self._points, tuple(DIRECTIONS[fact] for fact in plane))
        self._points = [self._points[i] for i in kept]
        self._trials = [self._trials[i] for i in kept]
        scored = (self._objective.merit(measurement), -trial)
        self._best = scored if self._best is None else max(self._best, scored)
        if weights is not None and trial in self.trials:
            atomic.write(self._run.weights_path(trial), weights)

    def drop_others(self) -> None:
        """Deletes the weights of all other trials."""
        kept = {self._run.weights_path(trial).name for trial in self.trials}
        for file in (self._run.path / "weights").glob("*.safetensors"):
            if file.name not in kept:
                file.unlink()
