"""What every epoch of a training came to, and its file `curves.csv`."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nas import atomic

FILE = "curves.csv"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch (from 1). lr: of its first step. loss: mean per training image.

    accuracy: of every exit on the held-out images, held_out_loss the mean of their summed
    cross-entropies there. metric: what chooses the best epoch. seconds: training and judging.
    """

    epoch: int
    lr: float
    loss: float
    held_out_loss: float
    accuracy: tuple[float, ...]
    metric: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Every field under its own name."""
        return asdict(self) | {"accuracy": list(self.accuracy)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Epoch":
        """The epoch that `to_json` wrote."""
        return cls(**{**data, "accuracy": tuple(data["accuracy"])})


def write(folder: Path, epochs: Sequence[Epoch]) -> None:
    """Write `curves.csv`: a row an epoch, a column `exit_K` for the accuracy of exit K from 1."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    exits = [f"exit_{k}" for k in range(1, len(epochs[0].accuracy) + 1)] if epochs else []
    rows.writerow(["epoch", "lr", "loss", "held_out_loss", *exits, "metric", "seconds"])
    for e in epochs:
        rows.writerow([e.epoch, e.lr, e.loss, e.held_out_loss, *e.accuracy, e.metric, e.seconds])
    atomic.write(folder / FILE, text.getvalue().encode())
