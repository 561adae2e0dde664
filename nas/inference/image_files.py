"""A trained network as what answers to image files, like the ONNX runner does."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from nas.inference.execution import classify
from nas.inference.pixels import prepared, read
from nas.inference.trained import Trained
from nas.onnx_runner.runner import Prediction
from nas.training.train import one_thread


class ImageFiles:
    """Answers to one image at a time, on one thread, with the exits of `trained.policy`."""

    def __init__(self, trained: Trained, clock: Callable[[], float] = time.perf_counter) -> None:
        self._trained, self._clock = trained, clock
        self._answer(torch.zeros(1, *trained.image, dtype=torch.uint8))  # the first one is slow

    def predict(self, path: Path) -> Prediction:
        """Classify one image file.

        Raises UserError where it is no image that can be read.
        """
        return self._answer(read(path, self._trained.config)[None])

    def _answer(self, pixels: torch.Tensor) -> Prediction:
        """Of images uint8 [1, channels, height, width]."""
        trained = self._trained
        with one_thread():
            start = self._clock()
            x = prepared(trained.config, pixels)
            left = classify(trained.network, x, trained.policy.thresholds, trained.temperatures)
            answer, exit_taken = int(left.answers[0]), int(left.exits[0])
            milliseconds = (self._clock() - start) * 1e3
        sure = float(left.confidence[0])
        return Prediction(answer, trained.classes[answer], sure, exit_taken, milliseconds)
