"""Classifying a batch so that every image stops at its exit and costs nothing beyond it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nas.exits.confidence import confidence

if TYPE_CHECKING:
    from search_spaces.network import StagedNetwork


@dataclass(frozen=True, eq=False, slots=True)
class Leaving:
    """What n images were answered, and where each left; all on the images' device.

    answers: int64 [n], the class. confidence: float64 [n], that of the answer. exits: int64 [n],
    from 0.
    """

    answers: Tensor
    confidence: Tensor
    exits: Tensor


@torch.inference_mode()
def classify(
    network: "StagedNetwork",
    x: Tensor,
    thresholds: Sequence[float],
    temperatures: Sequence[float] | None = None,
) -> Leaving:
    """Run each stage on those images alone that have not left before it.

    x: float [n, channels, height, width], normalised, n >= 1, on the device of the network, which
    is in evaluation mode. An image leaves at the first exit as sure as its threshold, everybody at
    the last one; temperatures, one an exit, divide the logits first (None: 1).

    Raises ValueError for thresholds or temperatures of another number than exits.
    """
    temperatures = _checked(network, thresholds, temperatures)
    result = _nobody_yet(x)
    rows = torch.arange(len(x), device=x.device)  # of those still there
    state: Sequence[Tensor] = (x,)
    last = len(thresholds) - 1
    for k, stage in enumerate(network.stages):
        logits, *state = stage(*state)
        if k < last and thresholds[k] > 1:
            continue  # nobody is that sure
        sure, answers = confidence(logits, temperatures[k])
        stays = _staying(sure, thresholds[k]) if k < last else rows[:0]
        if len(stays) == len(rows):
            continue
        # Of all who are still there: whoever stays is written again at a later exit.
        result.answers.index_copy_(0, rows, answers)
        result.confidence.index_copy_(0, rows, sure)
        result.exits.index_fill_(0, rows, k)
        if len(stays) == 0:
            break
        rows = rows.index_select(0, stays)
        state = [selected(each, stays) for each in state]
    return result


@torch.inference_mode()
def masked(
    network: "StagedNetwork",
    x: Tensor,
    thresholds: Sequence[float],
    temperatures: Sequence[float] | None = None,
) -> Leaving:
    """Run every stage on every image and apply the policy afterwards: as `classify`, no work saved.

    What early exits are measured against. Raises ValueError as `classify`.
    """
    temperatures = _checked(network, thresholds, temperatures)
    judged = [confidence(*each) for each in zip(network(x), temperatures, strict=True)]
    sure = torch.stack([each for each, _ in judged], dim=1)
    answers = torch.stack([each for _, each in judged], dim=1)
    leaves = sure >= torch.tensor(thresholds, dtype=sure.dtype, device=sure.device)
    leaves[:, -1] = True
    exits = leaves.long().argmax(dim=1, keepdim=True)  # the first one
    return Leaving(
        answers.gather(1, exits).squeeze(1), sure.gather(1, exits).squeeze(1), exits.squeeze(1)
    )


def selected(tensor: Tensor, rows: Tensor) -> Tensor:
    """The rows of a tensor [n, ...], copied in the tensor's own memory format."""
    if tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        # As whole rows: indexing a channels-last tensor directly copies number by number.
        return tensor.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
    return tensor.index_select(0, rows)


def _staying(sure: Tensor, threshold: float) -> Tensor:
    """The places of those who do not reach the threshold, NaN among them."""
    return (sure >= threshold).logical_not_().nonzero().view(-1)


def _nobody_yet(x: Tensor) -> Leaving:
    count, device = len(x), x.device
    return Leaving(
        torch.empty(count, dtype=torch.int64, device=device),
        torch.empty(count, dtype=torch.float64, device=device),
        torch.empty(count, dtype=torch.int64, device=device),
    )


def _checked(
    network: "StagedNetwork", thresholds: Sequence[float], temperatures: Sequence[float] | None
) -> Sequence[float]:
    """The temperatures; ValueError where something does not fit the network."""
    assert not network.training
    count = len(network.stages)
    temperatures = (1.0,) * count if temperatures is None else temperatures
    for what, given in (("thresholds", thresholds), ("temperatures", temperatures)):
        if len(given) != count:
            raise ValueError(f"{len(given)} {what} for {count} exits")
    return temperatures
