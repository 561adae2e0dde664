"""Classifying images so that each stops at its exit and costs nothing beyond it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nas.exits.confidence import confidence

if TYPE_CHECKING:
    from search_spaces.network import StagedNetwork

ROUNDING = 1e-9  # far more than float64's softmaxes differ by
_Group = tuple[Tensor, Sequence[Tensor]]


@dataclass(frozen=True, eq=False, slots=True)
class Leaving:
    """What n images were answered, and where each left; all on the images' device.

    answers: int64 [n], the class. confidence: float64 [n], that of the answer. exits: int64 [n],
    from 0.
    """

    answers: Tensor
    confidence: Tensor
    exits: Tensor


def classify(
    network: "StagedNetwork",
    x: Tensor,
    thresholds: Sequence[float],
    temperatures: Sequence[float] | None = None,
) -> Leaving:
    """Run each stage on those images alone that have not left before it.

    x: float [n, channels, height, width], normalised, on the device of the network, which
    is in evaluation mode. An image leaves at the first exit as sure as its threshold, everybody at
    the last one; temperatures, one an exit, divide the logits first (None: 1).

    Raises ValueError for thresholds or temperatures of another number than exits.
    """
    temperatures = _checked(network, thresholds, temperatures)
    if len(x) == 1:
        return _alone(network, x, thresholds, temperatures)
    run = _Run(network, thresholds, temperatures)
    run.take(x)
    run.work(1)
    return run.result()


def classify_many(
    network: "StagedNetwork",
    batches: Iterable[Tensor],
    thresholds: Sequence[float],
    temperatures: Sequence[float] | None = None,
    together: int | None = None,
) -> Leaving:
    """Classify a stream of batches; those who stay wait until a stage is worth its while.

    Small batches are slow, image by image, and what early exits leave of a batch is small. So
    before each stage those who stay in successive batches wait until `together` of them (None: as
    many as the first batch has) go on as one batch; the last ones go on when the stream ends. No
    more than `together` images wait before each stage, so memory does not grow with the stream.
    Answers come in the order of the images.

    batches: each as `classify` takes it. Raises ValueError as `classify`.
    """
    run = _Run(network, thresholds, _checked(network, thresholds, temperatures))
    for x in batches:
        together = together or len(x)
        run.take(x)
        run.work(together)
    run.work(1)
    return run.result()


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


@torch.inference_mode()
def _alone(
    network: "StagedNetwork", x: Tensor, thresholds: Sequence[float], temperatures: Sequence[float]
) -> Leaving:
    """Classify one image, with nothing to compact."""
    last = len(thresholds) - 1
    state: Sequence[Tensor] = (x,)
    for k, stage in enumerate(network.stages):
        logits, *state = stage(*state)
        if k == last or _leaves(logits, thresholds[k], temperatures[k]):
            sure, answers = confidence(logits, temperatures[k])
            return Leaving(answers, sure, torch.full_like(answers, k))
    raise AssertionError("everybody leaves at the last exit")


def _leaves(logits: Tensor, threshold: float, temperature: float) -> bool:
    """Whether one image, logits [1, classes], is as sure as the threshold.

    As `confidence` has it, in Python's own float64: a third of the time between two stages, when
    nothing of torch's softmax is in the cache. Where rounding could decide, torch does.
    """
    if threshold > 1:
        return False  # nobody is that sure
    row = logits[0].tolist()
    highest = max(row)
    sure = 1 / sum([exp((each - highest) / temperature) for each in row])
    if abs(sure - threshold) > ROUNDING:
        return sure >= threshold
    return bool(confidence(logits, temperature)[0] >= threshold)


class _Run:
    """Images on their way through the stages, waiting in groups before them.

    A group is the images' numbers and their state. Notes are what an exit answered to all who
    came there: whoever stays is noted again at a later exit.
    """

    def __init__(
        self, network: "StagedNetwork", thresholds: Sequence[float], temperatures: Sequence[float]
    ) -> None:
        self.stages = list(network.stages)
        self.thresholds, self.temperatures = thresholds, temperatures
        self.waiting: list[list[_Group]] = [[] for _ in range(len(self.stages) + 1)]
        self.notes: list[tuple[int, Tensor, Tensor, Tensor]] = []
        self.images = 0

    def take(self, x: Tensor) -> None:
        """Let images in."""
        rows = torch.arange(self.images, self.images + len(x), device=x.device)
        self.waiting[0].append((rows, (x,)))
        self.images += len(x)

    @torch.inference_mode()
    def work(self, least: int) -> None:
        """Run each stage, first to last, before which at least so many images wait."""
        for k in range(len(self.stages)):
            if sum(len(rows) for rows, _ in self.waiting[k]) >= least:
                self._run(k)

    def _run(self, k: int) -> None:
        rows, state = _joined(self.waiting[k])
        self.waiting[k] = []
        logits, *state = self.stages[k](*state)
        last = k == len(self.stages) - 1
        if self.thresholds[k] > 1 and not last:
            self.waiting[k + 1].append((rows, state))  # nobody is that sure
            return
        sure, answers = confidence(logits, self.temperatures[k])
        stays = rows[:0] if last else _staying(sure, self.thresholds[k])
        if len(stays) < len(rows):
            self.notes.append((k, rows, answers, sure))
            rows = rows.index_select(0, stays)
            state = [selected(each, stays) for each in state] if len(stays) else []
        if len(stays):
            self.waiting[k + 1].append((rows, state))

    @torch.inference_mode()
    def result(self) -> Leaving:
        """Return what all images were answered."""
        device = self.notes[0][1].device if self.notes else None
        answers = torch.empty(self.images, dtype=torch.int64, device=device)
        exits = torch.empty_like(answers)
        confidence = torch.empty_like(answers, dtype=torch.float64)
        for k, rows, answered, sure in self.notes:
            answers.index_copy_(0, rows, answered)
            confidence.index_copy_(0, rows, sure)
            exits.index_fill_(0, rows, k)
        return Leaving(answers, confidence, exits)


def _joined(groups: Sequence[_Group]) -> _Group:
    """One group of several, one after another."""
    if len(groups) == 1:
        return groups[0]
    states = zip(*(state for _, state in groups), strict=True)
    return torch.cat([rows for rows, _ in groups]), [torch.cat(tuple(each)) for each in states]


def selected(tensor: Tensor, rows: Tensor) -> Tensor:
    """The rows of a tensor [n, ...], copied in the tensor's own memory format."""
    if tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        # As whole rows: indexing a channels-last tensor directly copies number by number.
        return tensor.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
    return tensor.index_select(0, rows)


def _staying(sure: Tensor, threshold: float) -> Tensor:
    """The places of those who do not reach the threshold, NaN among them."""
    return (sure >= threshold).logical_not_().nonzero().view(-1)


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
