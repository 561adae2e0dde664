"""A trained network that answers one image at a time, within a deadline or a budget."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas.errors import UserError
from nas.exits.confidence import confidence
from nas.inference.pixels import prepared, read
from nas.inference.trained import Trained, open_trained

WARM_UP = 6
"""Runs on one black image before the first answer; the first of them does not count."""

Image = str | Path | Tensor | npt.NDArray[np.uint8]
"""An image file of any size, or pixels uint8 [channels, height, width] of the network's."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an exit (counted from 1) answered, `elapsed_ms` after it was asked.

    label: the place of `class_name` among the classes. overrun_ms: how long after its deadline the
    answer came, 0.0 where it was in time or there was none.
    """

    label: int
    class_name: str
    confidence: float
    exit: int
    elapsed_ms: float
    overrun_ms: float = 0.0


class Predictor:
    """Answers images by a trained network, stage by stage.

    exit_latency_ms: the cumulative latency of each exit as measured on this machine, None if
    unknown. clock: seconds since any moment. Raises ValueError for latencies of another number
    than exits.
    """

    def __init__(
        self,
        trained: Trained,
        exit_latency_ms: Sequence[float] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        count = len(trained.network.stages)
        if exit_latency_ms is not None and len(exit_latency_ms) != count:
            raise ValueError(f"{len(exit_latency_ms)} latencies for {count} exits")
        self.trained, self.clock = trained, clock
        reached = exit_latency_ms or (0.0,) * count
        self._stage_ms = [after - before for before, after in pairwise((0.0, *reached))]

    @cached_property
    def exit_macs(self) -> tuple[int, ...]:
        """The multiply-accumulates that each exit has cost, cumulative."""
        from search_spaces.operators import costs

        return costs(self.trained.network.graph).lazy_macs

    def exits(self, image: Image) -> Iterator[Prediction]:
        """Answer after each stage; the next one runs when the next answer is asked for.

        Time counts from the first one on, reading the file included. Raises UserError for a file
        that is no image, and for pixels of another shape or type.
        """
        start = self.clock()
        state: Sequence[Tensor] = (self._input(image),)
        trained = self.trained
        for k, stage in enumerate(trained.network.stages):
            with torch.inference_mode():  # left before every answer: it is the whole thread's
                logits, *state = stage(*state)
                sure, answer = confidence(logits[0], trained.temperatures[k])
            label, certainty = int(answer), float(sure)
            elapsed_ms = (self.clock() - start) * 1000
            yield Prediction(label, trained.classes[label], certainty, k + 1, elapsed_ms)

    def predict(
        self, image: Image, deadline_ms: float | None = None, budget: float | None = None
    ) -> Prediction:
        """Answer an image by the network's exit policy or, given one, within a limit.

        deadline_ms: a stage is started only while time is left and, where latencies are known,
        only if it should end in time; the answer is that of the last one started. budget: the
        answer is that of the last exit whose MACs do not exceed it. The first exit always answers,
        and with limits the policy does not count.

        Raises UserError as `exits`, and for a limit that is negative or no number.
        """
        for name, limit in (("deadline_ms", deadline_ms), ("budget", budget)):
            if limit is not None and not limit >= 0:
                raise UserError(f"{name} {limit}: must be a number, 0 or more")
        found = None
        for found in self.exits(image):
            if self._is_last(found, deadline_ms, budget):
                break
        assert found is not None
        late_ms = 0.0 if deadline_ms is None else max(0.0, found.elapsed_ms - deadline_ms)
        return replace(found, overrun_ms=late_ms)

    def _is_last(self, found: Prediction, deadline_ms: float | None, budget: float | None) -> bool:
        """Whether no stage may be started after an answer."""
        k = found.exit  # the next one, from 0
        if k == len(self.trained.network.stages):
            return True
        if deadline_ms is None and budget is None:
            return found.confidence >= self.trained.policy.thresholds[k - 1]
        if budget is not None and self.exit_macs[k] > budget:
            return True
        limit = math.inf if deadline_ms is None else deadline_ms
        return found.elapsed_ms + self._stage_ms[k] > limit

    def _input(self, image: Image) -> Tensor:
        config = self.trained.config
        if isinstance(image, str | Path):
            pixels = read(Path(image), config)
        else:
            pixels = _checked(image, self.trained.image)
        device = next(self.trained.network.parameters()).device
        return prepared(config, pixels[None]).to(device)


def predictor(path: str | Path, out: str | Path = "results") -> Predictor:
    """The predictor of a trained network: its folder, its config file or RUN:TRIAL of `out`.

    It is warmed up, and knows how long its exits take on this machine.

    Raises:
        UserError, SpaceError: as `open_trained`.
    """
    return warm(open_trained(str(path), Path(out)))


def warm(trained: Trained) -> Predictor:
    """A predictor that has run on one black image and takes its slowest times for its latencies."""
    black = np.zeros(trained.image, np.uint8)
    runs = [[each.elapsed_ms for each in Predictor(trained).exits(black)] for _ in range(WARM_UP)]
    return Predictor(trained, [max(times) for times in zip(*runs[1:], strict=True)])


def _checked(image: Any, wanted: tuple[int, int, int]) -> Tensor:
    pixels = torch.as_tensor(image)
    if pixels.dtype != torch.uint8 or tuple(pixels.shape) != wanted:
        raise UserError(
            f"image of {pixels.dtype} {tuple(pixels.shape)}: must be uint8 {wanted}, or a file"
        )
    return pixels
