"""Convolution, BatchNorm, activation: the plain block of stems, transitions and branches."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.blocks import BlockSpec

if TYPE_CHECKING:
    from torch import nn

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ConvNorm(BlockSpec):
    """A convolution, BatchNorm and activation; ``pool``: a 3x3/2 max-pool after.

    A ``kernel`` or ``stride`` of two numbers is (height, width). ``activation`` and ``padding`` are
    those of ``layers.conv_norm``.
    """

    in_channels: int
    out_channels: int
    kernel: int | Pair
    stride: int | Pair = 1
    bias: bool = False
    pool: bool = False
    activation: str = "relu"
    padding: str = "symmetric"
    groups: int = 1

    def module(self) -> "nn.Module":
        """Build the block: [batch, in_channels, h, w] to [batch, out_channels, h/s, w/s]."""
        from torch import nn

        from search_spaces.layers import conv_norm

        convs = conv_norm(
            self.in_channels,
            self.out_channels,
            _pair(self.kernel),
            _pair(self.stride),
            self.groups,
            self.bias,
            self.activation,
            self.padding,
        )
        return nn.Sequential(*convs, *([nn.MaxPool2d(3, 2, 1)] if self.pool else []))


def _pair(size: int | Pair) -> Pair:
    return size if isinstance(size, tuple) else (size, size)
