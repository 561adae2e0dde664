"""Mean and standard deviation of images, from exact counts of the 256 levels."""

import numpy as np
import torch

LEVELS = np.arange(256) / 255


class Counts:
    """How often each level occurs in each channel; the order of counting does not matter."""

    def __init__(self, channels: int) -> None:
        self._counts = np.zeros((channels, 256), np.int64)

    def add(self, images: torch.Tensor) -> None:
        """Counts images uint8 [n, channels, height, width]."""
        for channel, counts in enumerate(self._counts):
            counts += torch.bincount(images[:, channel].flatten(), minlength=256).numpy()

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation per channel, of levels scaled to 0..1."""
        means, deviations = [], []
        for counts in self._counts:
            mean = float(counts @ LEVELS / counts.sum())
            variance = float(counts @ (LEVELS - mean) ** 2 / counts.sum())
            means.append(mean)
            # A channel without any contrast would divide by zero.
            deviations.append(max(variance**0.5, 1 / 255))
        return tuple(means), tuple(deviations)
