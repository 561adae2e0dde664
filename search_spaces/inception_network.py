"""Inception-v3's modules and network: paths of small and asymmetric filters, side by side.

A module reads its input along four paths (1x1; 1x1 and one large filter; 1x1 and two; pooling and
1x1) and concatenates them. Large filters are factorized. Three grids of such modules follow the
stem; between grids a strided path and a pooling path reduce the pixels together. Source: Szegedy et
al., CVPR 2016, sections 3 to 6 and figures 5 to 7 and 10; channels as in the published code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from search_spaces.architecture import Option
from search_spaces.blocks import BlockGraph, BlockSpec, Image, Node, Norm
from search_spaces.branches import Branches, Path, channels_after
from search_spaces.chain import Chain
from search_spaces.conv_norm import ConvNorm, Pair
from search_spaces.exits import Head, early_exits, head
from search_spaces.residual import Pool

if TYPE_CHECKING:
    from torch import nn

# The blocks --------------------------------------------------------------------------------------


def factors(kernels: Sequence[int | Pair], channels: Sequence[int], between: str) -> Path:
    """Convolutions that stand for one larger: ``between`` activates all but the last (ReLU).

    ``channels`` are those before, between and after the convolutions.
    """
    last = len(kernels) - 1
    return tuple(
        ConvNorm(given, out, kernel, activation=between if index < last else "relu")
        for index, (kernel, given, out) in enumerate(
            zip(kernels, channels[:-1], channels[1:], strict=True)
        )
    )


@dataclass(frozen=True, slots=True)
class Filters:
    """The large filters of a grid's modules and how they are factorized.

    ``module``: "square" has one 5x5 (``five`` "5x5", or "3x3-3x3") beside two 3x3 (figure 5),
    "factorized" has 1xn and nx1 for every nxn (figure 6), "expanded" forks into {1x3, 3x1}
    (figure 7). ``between`` is the activation between two factors.
    """

    module: str
    five: str = "5x5"
    n: int = 7
    between: str = "relu"

    def one(self, bottleneck: int, out: int) -> Path:
        """The path with one large filter, after its bottleneck."""
        if self.module == "factorized":
            return factors([(1, self.n), (self.n, 1)], (bottleneck, bottleneck, out), self.between)
        if self.module == "expanded":
            return (_fork(bottleneck, out),)
        if self.five == "5x5":
            return factors([5], (bottleneck, out), self.between)
        return factors([3, 3], (bottleneck, out, out), self.between)

    def two(self, bottleneck: int, middle: int, out: int) -> Path:
        """The path with two large filters, after its bottleneck."""
        if self.module == "factorized":
            pair = [(self.n, 1), (1, self.n)]
            first = factors(pair, (bottleneck, middle, middle), self.between)
            return first + factors(pair, (middle, middle, out), self.between)
        if self.module == "expanded":
            return (ConvNorm(bottleneck, middle, 3), _fork(middle, out))
        return factors([3, 3], (bottleneck, middle, out), self.between)

    def reducing(self, bottleneck: int, middle: int) -> Path:
        """The filter before the strided one in the reduction that leaves the grid."""
        if self.module == "factorized":
            pair = [(1, self.n), (self.n, 1)]
            return factors(pair, (bottleneck, bottleneck, middle), self.between)
        return (ConvNorm(bottleneck, middle, 3),)


def _fork(given: int, out: int) -> Branches:
    return Branches(((ConvNorm(given, out, (1, 3)),), (ConvNorm(given, out, (3, 1)),)))


@dataclass(frozen=True, slots=True)
class SideHead(BlockSpec):
    """The auxiliary classifier (section 4), which regularises training.

    The map of ``grid`` (height, width) pixels is averaged to at most 5x5, then a 1x1 and a fully
    connected convolution (as large as what is left) of ``widths`` channels and a linear layer.
    ``norm``: "bn" normalizes both convolutions (the paper's BN-auxiliary), "conv" the 1x1 alone,
    "none" neither, "dropout" neither but drops 70% before the linear layer, as in GoogLeNet.
    """

    in_channels: int
    grid: Pair
    widths: Pair
    classes: int
    norm: str

    def module(self) -> "nn.Module":
        """Build the head: [batch, in_channels, *grid] to logits [batch, classes]."""
        from torch import nn

        from search_spaces.layers import conv_norm
        from search_spaces.unfilled import Conv2d, Linear

        def convolution(given: int, out: int, kernel: Pair, normed: bool) -> "list[nn.Module]":
            if normed:
                return conv_norm(given, out, kernel, padding="valid")
            return [Conv2d(given, out, kernel), nn.ReLU(inplace=True)]

        left = (min(5, self.grid[0]), min(5, self.grid[1]))
        # 5x5 windows in steps of 3 at the published 17 pixels; always ``left`` windows.
        steps = [size // pixels for size, pixels in zip(self.grid, left, strict=True)]
        windows = [s - (p - 1) * d for s, p, d in zip(self.grid, left, steps, strict=True)]
        hidden, features = self.widths
        return nn.Sequential(
            nn.AvgPool2d((windows[0], windows[1]), (steps[0], steps[1])),
            *convolution(self.in_channels, hidden, (1, 1), self.norm in ("bn", "conv")),
            *convolution(hidden, features, left, self.norm == "bn"),
            nn.Flatten(),
            *([nn.Dropout(0.7)] if self.norm == "dropout" else []),
            Linear(features, self.classes),
        )


# The network -------------------------------------------------------------------------------------

GRIDS = ("grid35", "grid17", "grid8")
"""The grids, finest first, named by their pixels in the published network (299-pixel images)."""

PIXELS = {"imagenet": 75, "medium": 39, "small": 21}
"""Shorter side, by stem, of the smallest image that published padding does not use up."""

REDUCTIONS = {"grid17": ((384,), (64, 96, 96)), "grid8": ((192, 320), (192, 192, 192))}
"""Channels of the two strided paths that open a grid; pooling is the third path."""

SIDE_HEADS = {"grid35": ("low", "both"), "grid17": ("high", "both"), "grid8": ()}
"""The settings of ``aux`` that put a side head after a grid's last module."""

AUXILIARY_WEIGHT = 0.4  # of the side head's loss, where the classifier's is 1


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels of a module's paths before any multiplier: bottlenecks first, outputs last."""

    plain: int
    one: tuple[int, int]
    two: tuple[int, int, int]
    pool: int


def module_channels(grid: str, module: int, modules: int) -> Channels:
    """Return the channels of a module, counted from 1; the published ones at 3, 4, 2 modules.

    The 35-pixel grid pools into fewer channels first; the 17-pixel grid's bottlenecks widen.
    """
    if grid == "grid35":
        return Channels(64, (48, 64), (64, 96, 96), 32 if module == 1 else 64)
    if grid == "grid17":
        inner = 192 if module == modules else 128 if module == 1 else 160
        return Channels(192, (inner, 192), (inner, inner, 192), 192)
    return Channels(320, (384, 384), (448, 384, 384), 192)


class InceptionLayout:
    """Places the blocks of one architecture, in the order of the published code.

    Stem and reductions do not pad, as published, except where that would use the image up
    (``PIXELS``): there every convolution and pooling pads symmetrically.
    """

    def __init__(self, chosen: Mapping[str, Option], image: Image, classes: int) -> None:
        self.chosen = cast(Mapping[str, Any], chosen)
        self.chain = Chain(image, classes, Norm(eps=1e-3))
        self.size = image[1:]
        fits = min(self.size) >= PIXELS[self.chosen["stem"]]
        self.padding = "valid" if fits else "symmetric"
        self.side: list[Node] = []

    def graph(self) -> BlockGraph:
        """Return the blocks of the whole network."""
        self._stem()
        for finer, grid in zip(("", *GRIDS), GRIDS, strict=False):
            if finer:
                self._reduction(finer, grid)
            self._modules(grid)
            if self.chosen["aux"] in SIDE_HEADS[grid]:
                self._side_head(grid)
        self.chain.leave(Head(self.chain.channels, (), self.chain.classes, dropout=0.5))
        graph = self.chain.graph(self.side)
        weights = [(name, 1.0) for name in graph.exits]
        weights += [(node.name, AUXILIARY_WEIGHT) for node in self.side]
        return replace(graph, losses=tuple(weights) if self.side else ())

    def _stem(self) -> None:
        stem = self.chosen["stem"]
        self._convolution("stem.conv1", 32, 3, stride=2 if stem == "imagenet" else 1)
        self._convolution("stem.conv2", 32, 3)
        self._convolution("stem.conv3", 64, 3, padding="symmetric")
        if stem != "small":
            self._pool("stem.pool1")
        self._convolution("stem.conv4", 80, 1, padding="symmetric")
        self._convolution("stem.conv5", 192, 3)
        self._pool("stem.pool2")

    def _modules(self, grid: str) -> None:
        modules: int = self.chosen[f"{grid}.modules"]
        leaving = early_exits(self.chosen[f"{grid}.exits"], modules, grid == GRIDS[-1])
        for module in range(1, modules + 1):
            channels = module_channels(grid, module, modules)
            self._branch(f"{grid}.module{module}", self._paths(grid, channels))
            if module in leaving:
                self.chain.leave(head(self.chosen["head"], self.chain.channels, self.chain.classes))

    def _paths(self, grid: str, channels: Channels) -> tuple[Path, ...]:
        given, filters = self.chain.channels, self._filters(grid)
        plain, pool = self._scaled(channels.plain, grid), self._scaled(channels.pool, grid)
        bottleneck, out = (self._scaled(count, grid) for count in channels.one)
        first, middle, last = (self._scaled(count, grid) for count in channels.two)
        return (
            (ConvNorm(given, plain, 1),),
            (ConvNorm(given, bottleneck, 1), *filters.one(bottleneck, out)),
            (ConvNorm(given, first, 1), *filters.two(first, middle, last)),
            (Pool("average", 3, 1, 1), ConvNorm(given, pool, 1)),
        )

    def _reduction(self, finer: str, grid: str) -> None:
        """Halve the grid ``finer``: convolutions and pooling side by side (section 5)."""
        given = self.chain.channels
        one, two = ([self._scaled(count, grid) for count in path] for path in REDUCTIONS[grid])
        bottlenecks = [ConvNorm(given, count, 1) for count in one[:-1]]
        paths: tuple[Path, ...] = (
            (*bottlenecks, self._halving([given, *one][-2], one[-1])),
            (
                ConvNorm(given, two[0], 1),
                *self._filters(finer).reducing(two[0], two[1]),
                self._halving(two[1], two[2]),
            ),
            (self._halving_pool(),),
        )
        self._branch(f"{grid}.reduction", paths)
        self._shrink(2)

    def _side_head(self, grid: str) -> None:
        widths = (self._scaled(128), self._scaled(768))
        norm = self.chosen["aux_norm"]
        spec = SideHead(self.chain.channels, self.size, widths, self.chain.classes, norm)
        self.side.append(Node(f"{grid}.side", spec, (self.chain.last,)))

    def _filters(self, grid: str) -> Filters:
        return Filters(
            self.chosen[f"{grid}.module"],
            self.chosen.get(f"{grid}.five", ""),
            self.chosen.get(f"{grid}.n", 0),
            self.chosen["activation"],
        )

    def _scaled(self, channels: int, grid: str = "") -> int:
        relative: float = self.chosen[f"{grid}.width"] if grid else 1.0
        multiplier: float = self.chosen["width"] * relative
        return max(1, round(channels * multiplier))

    def _branch(self, name: str, paths: tuple[Path, ...]) -> None:
        spec = Branches(paths)
        self.chain.place(name, spec, channels_after((spec,), self.chain.channels))

    def _convolution(
        self, name: str, channels: int, kernel: int, stride: int = 1, padding: str = ""
    ) -> None:
        padding, out = padding or self.padding, self._scaled(channels)
        spec = ConvNorm(self.chain.channels, out, kernel, stride, padding=padding)
        self.chain.place(name, spec, out)
        if padding == self.padding:
            self._shrink(stride)

    def _pool(self, name: str) -> None:
        self.chain.place(name, self._halving_pool(), self.chain.channels)
        self._shrink(2)

    def _halving(self, given: int, out: int) -> ConvNorm:
        return ConvNorm(given, out, 3, 2, padding=self.padding)

    def _halving_pool(self) -> Pool:
        return Pool("max", 3, 2, 0 if self.padding == "valid" else 1)

    def _shrink(self, stride: int) -> None:
        """Keep account of the pixels that 3x3 windows in steps of ``stride`` leave."""
        lost = 2 if self.padding == "valid" else 0
        height, width = (-(-(pixels - lost) // stride) for pixels in self.size)
        self.size = (height, width)
