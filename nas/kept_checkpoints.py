"""Trials under way on disk, so that a search that died goes on within a trial, not before it.

Workers only hand over what they have; the driver alone writes, so that a worker of a driver that is
gone cannot touch what its successor wrote.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from nas import atomic
from nas.room import Room
from nas.training import trial_checkpoint
from nas.training.trial_checkpoint import Unusable

if TYPE_CHECKING:
    from nas.training.trial import TrialJob

FOLDER = "checkpoints"
_KEPT = 2  # of a trial: where the last one is damaged the one before it serves
_NAME = re.compile(r"(\d{5,})-(\d+)\.ckpt")
_HALF = re.compile(r"\.\d{5,}-\d+\.ckpt\..*")


class KeptCheckpoints:
    """The folder of one run."""

    def __init__(self, run: Path, room: Room) -> None:
        self._folder, self._room = run / FOLDER, room

    def keep(self, trial: int, data: bytes, epochs: int) -> None:
        """Writes the state of a trial after so many epochs. Raises OSError."""
        path = self._path(trial, epochs)

        def write() -> None:
            self._folder.mkdir(exist_ok=True)
            # Not durable: after a power cut the checksum finds what the disk did not get.
            atomic.write(path, data, durable=False)

        self._room.written(path, write)
        for _, path in self._of(trial)[_KEPT:]:
            path.unlink(missing_ok=True)

    def find(self, trial: int, job: "TrialJob") -> bytes | None:
        """The latest whole checkpoint of this trial that `job` can go on from."""
        for _, path in self._of(trial):
            try:
                data = path.read_bytes()
                trial_checkpoint.epochs(job.digest, data)
            except (OSError, Unusable):
                continue
            return data
        return None

    def epochs(self, trial: int) -> int:
        """How many epochs a trial has behind it, if its latest checkpoint is whole; 0 for none."""
        return max((epochs for epochs, _ in self._of(trial)), default=0)

    def drop(self, trial: int) -> None:
        """Deletes those of a trial."""
        for _, path in self._of(trial):
            path.unlink(missing_ok=True)

    def drop_others(self, trials: frozenset[int]) -> None:
        """Deletes those of all but these trials, and what a killed write left."""
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            found = _NAME.fullmatch(path.name)
            half = _HALF.fullmatch(path.name)
            if half or (found and int(found[1]) not in trials):
                path.unlink(missing_ok=True)

    def _of(self, trial: int) -> list[tuple[int, Path]]:
        """Epochs and file of each, the latest first."""
        names = self._folder.glob(f"{trial:05d}-*.ckpt")
        found = ((_NAME.fullmatch(path.name), path) for path in names)
        return sorted(((int(m[2]), path) for m, path in found if m), reverse=True)

    def _path(self, trial: int, epochs: int) -> Path:
        return self._folder / f"{trial:05d}-{epochs}.ckpt"
