"""Residual units: a body and a shortcut around it, joined at the end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from search_spaces.blocks import BlockSpec

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Residual(BlockSpec):
    """``body`` beside ``shortcut`` (None: the input itself), added or concatenated.

    The sum is zero-padded where the shortcut has fewer channels (ResNet's option A); a
    concatenation has the shortcut first (ShuffleNet). ``activation`` follows the join.
    """

    body: BlockSpec
    shortcut: BlockSpec | None = None
    join: Literal["add", "concat"] = "add"
    activation: str = "none"

    def module(self) -> "nn.Module":
        """Build the unit: [batch, in, h, w] to [batch, out, h', w']."""
        return self.assembled(lambda part: part.module())

    def assembled(self, build: "Callable[[BlockSpec], nn.Module]") -> "nn.Module":
        """Build it of a body and a shortcut that `build` makes."""
        from search_spaces.layers import ResidualUnit

        return ResidualUnit(
            build(self.body),
            build(self.shortcut) if self.shortcut else None,
            self.join,
            self.activation,
        )


@dataclass(frozen=True, slots=True)
class Pool(BlockSpec):
    """Average or maximum over ``kernel`` x ``kernel`` pixels, in steps of ``stride``."""

    kind: Literal["average", "max"]
    kernel: int
    stride: int
    padding: int = 0

    def module(self) -> "nn.Module":
        """Build the pooling: [batch, c, h, w] to [batch, c, h', w']."""
        from torch import nn

        pool = nn.AvgPool2d if self.kind == "average" else nn.MaxPool2d
        return pool(self.kernel, self.stride, self.padding)


@dataclass(frozen=True, slots=True)
class EveryPixel(BlockSpec):
    """Every ``stride``-th pixel: the shortcut of ResNet's option A where the body strides."""

    stride: int

    def module(self) -> "nn.Module":
        """Build the block: [batch, c, h, w] to [batch, c, ceil(h/stride), ceil(w/stride)]."""
        from search_spaces.layers import Subsample

        return Subsample(self.stride)


@dataclass(frozen=True, slots=True)
class Serial(BlockSpec):
    """Blocks one after another, as one block: a residual unit's body, a path beside others."""

    specs: tuple[BlockSpec, ...]

    def module(self) -> "nn.Module":
        """Build the blocks: from what the first takes to what the last gives."""
        from torch import nn

        return nn.Sequential(*(spec.module() for spec in self.specs))

    def chain(self) -> tuple[BlockSpec, ...]:
        """Return the blocks."""
        return self.specs
