"""Branches: paths of blocks side by side, concatenated (Inception, CVPR 2015 and 2016)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.blocks import BlockSpec
from search_spaces.conv_norm import ConvNorm
from search_spaces.residual import Serial

if TYPE_CHECKING:
    from torch import nn

Path = tuple[BlockSpec, ...]
"""Blocks one after another."""


@dataclass(frozen=True, slots=True)
class Branches(BlockSpec):
    """Paths that read the same input; their outputs are concatenated. A path may fork again."""

    paths: tuple[Path, ...]

    def module(self) -> "nn.Module":
        """Build the paths: [batch, in, h, w] to [batch, sum of the paths' channels, h', w']."""
        from search_spaces.layers import ParallelPaths

        return ParallelPaths(Serial(path).module() for path in self.paths)


def channels_after(path: Path, channels: int) -> int:
    """Return how many channels a path gives, of ``channels`` that it reads."""
    for spec in path:
        if isinstance(spec, ConvNorm):
            channels = spec.out_channels
        elif isinstance(spec, Branches):
            channels = sum(channels_after(branch, channels) for branch in spec.paths)
    return channels
