"""The state of a training on disk, one file that is there whole or not at all."""

import io
import pickle
import zipfile
from collections.abc import Iterator
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
    MemoryError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)
_MOST_VALUES = 1_000_000  # of tensors, numbers and texts; one of ten thousand layers has a tenth
_DEPTH = 20


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
        _refuse_packed(path)
        data = torch.load(path, map_location="cpu", weights_only=True)
        _refuse_bombs(data)
        epochs = tuple(Epoch.from_json(each) for each in data["epochs"])
        return Checkpoint(data["terms"], data["state"], epochs, data["best"])
    except DAMAGED as error:
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a checkpoint ({reason})") from None


def _refuse_packed(path: Path) -> None:
    """Raises ValueError for a file that would unpack to more than its own size."""
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("packed, as no checkpoint of ours is")


def _refuse_bombs(data: Any) -> None:
    """Raises ValueError for tensors that claim more than the file holds, and endless values."""
    for count, value in enumerate(_values(data, _DEPTH)):
        if count == _MOST_VALUES:
            raise ValueError("more values than a training has")
        if isinstance(value, torch.Tensor):
            if value.layout != torch.strided or value.is_meta or value.is_quantized:
                raise ValueError("a tensor of another kind than weights are")
            if value.numel() * value.element_size() > value.untyped_storage().nbytes():
                raise ValueError(f"a tensor of shape {list(value.shape)} that is not in the file")


def _values(data: Any, depth: int) -> Iterator[Any]:
    """What is in nested mappings and lists, as often as it is met: lists may hold themselves."""
    yield data
    if isinstance(data, dict | list | tuple | set):
        if depth == 0:
            raise ValueError("nested too deeply")
        parts = [*data.items()] if isinstance(data, dict) else data
        for part in parts:
            yield from _values(part, depth - 1)
