"""Exits: the classifier heads that any family may place along its depth."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.blocks import BlockSpec

if TYPE_CHECKING:
    from torch import nn

HEADS = ("pool", "conv32", "conv64", "conv128", "conv")
"""Heads: global average alone; two strided 3x3 convolutions to 32, 64, 128 (MSDNet on CIFAR) or
as many channels as come in (MSDNet on ImageNet), then the average; a linear layer ends all."""


@dataclass(frozen=True, slots=True)
class Head(BlockSpec):
    """A classifier: ``widths`` of its strided convolutions, global average, linear layer.

    Source: MSDNet (ICLR 2018, section 5) and its code; the code's 2x2 average pooling is the
    global average at the sizes it accepts (32 and 224 pixels).
    """

    in_channels: int
    widths: tuple[int, ...]
    classes: int

    def module(self) -> "nn.Module":
        """Build the head: [batch, in_channels, h, w] to logits [batch, classes]."""
        from torch import nn

        from search_spaces.layers import conv_norm

        channels = (self.in_channels, *self.widths)
        convs = [
            module
            for given, width in zip(channels, self.widths, strict=False)
            for module in conv_norm(given, width, (3, 3), (2, 2))
        ]
        return nn.Sequential(
            *convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], self.classes)
        )


def head(kind: str, in_channels: int, classes: int) -> Head:
    """Return the head of a kind listed in ``HEADS`` for features of ``in_channels`` channels."""
    if kind == "pool":
        return Head(in_channels, (), classes)
    width = int(kind[4:]) if kind != "conv" else in_channels
    return Head(in_channels, (width, width), classes)
