"""The state of a training on disk, one file that is there whole or not at all."""

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas import atomic
from nas.errors import UserError
from nas.training.curves import Epoch

FILE = "checkpoint.pt"
# What torch raises on a file that is cut off, or in which bytes have changed.
DAMAGED = (
    OSError,
    EOFError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RuntimeError,
    pickle.UnpicklingError,
)


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A training after its last whole epoch, that of `epochs[-1]`.

    terms: what may not differ when it goes on, plain values. state: what `Steps.state` gave.
    best: number of the epoch whose weights are kept.
    """

    terms: dict[str, Any]
    state: dict[str, Any]
    epochs: tuple[Epoch, ...]
    best: int


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint.pt`: tensors, numbers and texts only."""
    buffer = io.BytesIO()
    data = {
        "terms": checkpoint.terms,
        "state": checkpoint.state,
        "epochs": [epoch.to_json() for epoch in checkpoint.epochs],
        "best": checkpoint.best,
    }
    torch.save(data, buffer)
    atomic.write(folder / FILE, buffer.getvalue())


def load(folder: Path) -> Checkpoint | None:
    """What `save` wrote; None where no epoch was finished yet. Nothing in the file can run.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
        epochs = tuple(Epoch.from_json(each) for each in data["epochs"])
        return Checkpoint(data["terms"], data["state"], epochs, data["best"])
    except DAMAGED as error:
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a checkpoint ({reason})") from None
