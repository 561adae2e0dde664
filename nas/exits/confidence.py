"""How sure an exit is: the largest softmax probability, after the exit's temperature."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nas.measurement import HeldOut


def confidence(logits: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """How sure, float64 [...], and which class, int64 [...], of logits [..., classes].

    In float64, so that even very sure images differ: in float32 a gap of 17 between logits is
    already a probability of one, and whoever is as sure as the threshold leaves.
    """
    sure, answers = (logits.double() / temperature).softmax(dim=-1).max(dim=-1)
    return sure, answers


def judged(logits: Tensor, labels: Tensor, temperatures: Sequence[float] | None = None) -> HeldOut:
    """How sure and how right every exit was.

    logits: [images, exits, classes] of every exit; labels: int64 [images]; temperatures: one an
    exit, None for 1. Raises ValueError for temperatures of another number.
    """
    if temperatures is None:
        temperatures = (1.0,) * logits.shape[1]
    each = torch.tensor(temperatures, dtype=torch.float64)
    if each.shape != logits.shape[1:2]:
        raise ValueError(f"{len(temperatures)} temperatures for {logits.shape[1]} exits")
    sure, answers = confidence(logits.double() / each[:, None])
    return HeldOut(sure.numpy(), (answers == labels[:, None]).numpy())
