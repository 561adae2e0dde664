"""Convolution, BatchNorm, ReLU: the plain block of stems and transitions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.blocks import BlockSpec

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class ConvNorm(BlockSpec):
    """A convolution with "same" padding, BatchNorm and ReLU; ``pool``: a 3x3/2 max-pool after."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    bias: bool = False
    pool: bool = False

    def module(self) -> "nn.Module":
        """Build the block: [batch, in_channels, h, w] to [batch, out_channels, h/s, w/s]."""
        from torch import nn

        from search_spaces.layers import conv_norm

        square, stride = (self.kernel, self.kernel), (self.stride, self.stride)
        convs = conv_norm(self.in_channels, self.out_channels, square, stride, bias=self.bias)
        return nn.Sequential(*convs, *([nn.MaxPool2d(3, 2, 1)] if self.pool else []))
