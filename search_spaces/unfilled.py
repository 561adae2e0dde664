"""Layers that torch fills with random weights, except where there are none to fill.

On the device ``meta`` tensors have shapes alone. Filling them does nothing there and takes longer
than making the layer: a controller has thousands of networks built for their shapes.
"""

from torch import nn


class Conv2d(nn.Conv2d):
    """The same on any device with weights."""

    def reset_parameters(self) -> None:
        """Fill the weights where there are some."""
        if not self.weight.is_meta:
            super().reset_parameters()


class BatchNorm2d(nn.BatchNorm2d):
    """The same on any device with weights."""

    def reset_parameters(self) -> None:
        """Fill weights and statistics where there are some."""
        if self.weight is None or not self.weight.is_meta:
            super().reset_parameters()


class Linear(nn.Linear):
    """The same on any device with weights."""

    def reset_parameters(self) -> None:
        """Fill the weights where there are some."""
        if not self.weight.is_meta:
            super().reset_parameters()
