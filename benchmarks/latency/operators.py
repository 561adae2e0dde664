"""Single operators as blocks, to be measured by themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from latency.blocks import BlockKey
from search_spaces.blocks import BlockSpec
from search_spaces.residual import Pool

if TYPE_CHECKING:
    from torch import nn

Size = tuple[int, int]

CHANNELS = (16, 64, 128, 256)
SIZES = (8, 16, 32)
"""The grid: channels in and out, and pixels of a side."""
GROUPS = 4


@dataclass(frozen=True, slots=True)
class Convolution(BlockSpec):
    """A convolution; ``norm`` and ``activated``: with normalisation and ReLU after it.

    ``padding``: zeros above and below, left and right.
    """

    in_channels: int
    out_channels: int
    kernel: Size
    stride: Size = (1, 1)
    padding: Size = (0, 0)
    groups: int = 1
    bias: bool = False
    norm: bool = False
    activated: bool = False

    def module(self) -> "nn.Module":
        """Build it: [batch, in_channels, h, w] to [batch, out_channels, h', w']."""
        from torch import nn

        return nn.Sequential(
            nn.Conv2d(
                self.in_channels,
                self.out_channels,
                self.kernel,
                self.stride,
                self.padding,
                groups=self.groups,
                bias=self.bias,
            ),
            *([nn.BatchNorm2d(self.out_channels)] if self.norm else []),
            *([nn.ReLU()] if self.activated else []),
        )


@dataclass(frozen=True, slots=True)
class Moving(BlockSpec):
    """An operator that moves values and multiplies no weights; concat, add, resize read two."""

    kind: Literal["concat", "add", "shuffle", "resize"]

    def module(self) -> "nn.Module":
        """Build it: one or two times [batch, channels, h, w]."""
        from search_spaces import layers

        modules: dict[str, Callable[[], nn.Module]] = {
            "concat": layers.Concat,
            "add": layers.AddGrown,
            "shuffle": lambda: layers.ChannelShuffle(GROUPS),
            "resize": layers.Resize,
        }
        return modules[self.kind]()


def grid() -> dict[str, list[BlockKey]]:
    """Return the operators to be measured, by kind."""
    kinds: dict[str, list[BlockKey]] = {}
    for channels in CHANNELS:
        for pixels in SIZES:
            for kind, key in _at(channels, pixels).items():
                kinds.setdefault(kind, []).append(key)
    return kinds


def _at(channels: int, pixels: int) -> dict[str, BlockKey]:
    shape = (channels, pixels, pixels)
    coarse = (channels, pixels // 2, pixels // 2)

    def convolution(kernel: Size, groups: int = 1) -> BlockKey:
        padding = (kernel[0] // 2, kernel[1] // 2)
        spec = Convolution(channels, channels, kernel, padding=padding, groups=groups)
        return BlockKey(spec, (shape,))

    return {
        "dense": convolution((3, 3)),
        "depthwise": convolution((3, 3), channels),
        "pointwise": convolution((1, 1)),
        "grouped": convolution((3, 3), GROUPS),
        "1xn": convolution((1, 3)),
        "pool": BlockKey(Pool("average", 3, 1, 1), (shape,)),
        "concat": BlockKey(Moving("concat"), (shape, shape)),
        "add": BlockKey(Moving("add"), (shape, shape)),
        "shuffle": BlockKey(Moving("shuffle"), (shape,)),
        "resize": BlockKey(Moving("resize"), (coarse, shape)),
    }
