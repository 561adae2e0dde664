"""A trial between two epochs as bytes, which say themselves whether they are whole and whose.

64 hexadecimal digits (SHA-256 of all that follows), a line of JSON (what it is about), and the
state of the training as torch writes it. What is wrong with any of it is found before it is used,
so that a trial begins anew rather than going on from what it was not.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.training.trial import TrialJob

_DIGITS = 64


class Unusable(Exception):
    """The bytes are damaged, or of another training; one line says which."""


@dataclass(frozen=True, slots=True, eq=False)
class TrialCheckpoint:
    """A trial after a whole epoch.

    losses: mean training loss per image of each epoch so far. seconds: they took.
    state: what `Steps.state` gave.
    """

    losses: tuple[float, ...]
    seconds: float
    state: Mapping[str, Any]

    @property
    def epochs(self) -> int:
        return len(self.losses)


def to_bytes(job: "TrialJob", checkpoint: TrialCheckpoint) -> bytes:
    """The checkpoint of `job`; `from_bytes` reads it."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(checkpoint.state), buffer)
    losses = [loss.hex() for loss in checkpoint.losses]
    about = {"training": job.digest, "losses": losses, "seconds": checkpoint.seconds}
    rest = json.dumps(about).encode() + b"\n" + buffer.getvalue()
    return hashlib.sha256(rest).hexdigest().encode() + rest


def from_bytes(job: "TrialJob", data: bytes) -> TrialCheckpoint:
    """What `to_bytes` made of a training of `job`. Raises Unusable; nothing in it can run."""
    import torch

    about, rest = _about(data)
    if about["training"] != job.digest:
        raise Unusable("the checkpoint is of another training")
    state = torch.load(io.BytesIO(rest), map_location="cpu", weights_only=True)
    losses = tuple(float.fromhex(loss) for loss in about["losses"])
    return TrialCheckpoint(losses, about["seconds"], state)


def epochs(digest: str, data: bytes) -> int:
    """How many epochs the training of this digest has behind it. Raises Unusable."""
    about, _ = _about(data)
    if about["training"] != digest:
        raise Unusable("the checkpoint is of another training")
    return len(about["losses"])


def _about(data: bytes) -> tuple[dict[str, Any], bytes]:
    """What the bytes say of themselves, and the state."""
    said, rest = data[:_DIGITS], data[_DIGITS:]
    if hashlib.sha256(rest).hexdigest().encode() != said:
        raise Unusable("the checkpoint is damaged")
    line, _, state = rest.partition(b"\n")
    about: dict[str, Any] = json.loads(line)
    return about, state
