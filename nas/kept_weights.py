"""Weights on disk: only those of the best trial and of trials that a front point needs."""

from typing import TYPE_CHECKING

from nas import atomic
from nas.judgements import Judgement, Point, undominated
from nas.repetitions import middle
from nas.room import Room

if TYPE_CHECKING:
    from nas.run import Run


class KeptWeights:
    """The front over all (trial, policy) points so far, the best trial, and the files of both.

    The best one need not be on the front: its score is that of a policy chosen on other images.
    A network that left the front, or was beaten, comes back only where one that beat it was trained
    again and is worse: its weights are gone then.
    """

    def __init__(self, run: "Run", room: Room) -> None:
        self._run, self._room = run, room
        self._objective = run.objective()
        self._trainings: dict[str, list[Judgement]] = {}  # by key of the network
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

    def add(self, key: str, new: Judgement, weights: bytes | None) -> bool:
        """A finished trial; `weights` None when its file, if it needs one, is there already.

        Returns whether the front has a point of its network that it had not before.
        """
        before = {point for point, of in self._front if of == key}
        others = self._trainings.setdefault(key, [])
        others.append(new)
        if len(others) == 1:
            # What left the front does not come back: thousands of trials stay quick.
            points = [*self._front, *((point, key) for point in new.points)]
        else:
            points = [(point, k) for k in self._trainings for point in self._stands(k).points]
        front = undominated(self._objective, [point for point, _ in points])
        self._front = [points[at] for at in front]
        if weights is not None and new.trial in self.trials:
            path = self._run.weights_path(new.trial)
            self._room.written(path, lambda: atomic.write(path, weights))
        return any(of == key and point not in before for point, of in self._front)

    def drop_others(self) -> None:
        """Deletes the weights of all other trials."""
        kept = {self._run.weights_path(trial).name for trial in self.trials}
        for file in (self._run.path / "weights").glob("*.safetensors"):
            if file.name not in kept:
                file.unlink()

    def _stands(self, key: str) -> Judgement:
        return middle(self._trainings[key], lambda each: (each.quality, each.trial))
