"""Small networks with exits, made of three kinds of block."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from torch import Tensor, nn

from search_spaces.blocks import BlockGraph, BlockSpec, Node
from search_spaces.layers import Concat


@dataclass(frozen=True, slots=True)
class Conv(BlockSpec):
    """Convolution 3x3, BatchNorm, ReLU."""

    before: int
    after: int

    def module(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(self.before, self.after, 3, padding=1, bias=False),
            nn.BatchNorm2d(self.after),
            nn.ReLU(),
        )


@dataclass(frozen=True, slots=True)
class Head(BlockSpec):
    """Mean over the image, then a linear classifier."""

    channels: int
    classes: int

    def module(self) -> nn.Module:
        return nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(self.channels, self.classes)
        )


@dataclass(frozen=True, slots=True)
class Join(BlockSpec):
    """Concatenate two inputs, then a convolution."""

    first: int
    second: int
    after: int

    def module(self) -> nn.Module:
        return Joined(Conv(self.first + self.second, self.after).module())


class Joined(nn.Module):
    """A module on the concatenation of its inputs."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.concat, self.inner = Concat(), inner

    def forward(self, *given: Tensor) -> Tensor:
        joined: Tensor = self.inner(self.concat(*given))
        return joined


class Infinite(nn.Module):
    """Multiply by infinity."""

    def forward(self, x: Tensor) -> Tensor:
        return x * float("inf")


@dataclass(frozen=True, slots=True)
class Broken(BlockSpec):
    """A head whose answers are not finite."""

    channels: int
    classes: int

    def module(self) -> nn.Module:
        return nn.Sequential(Head(self.channels, self.classes).module(), Infinite())


def chain(exits: int, channels: int = 4, head: type[Head] | type[Broken] = Head) -> BlockGraph:
    """Return a chain of convolutions with an exit after each."""
    nodes, last, width = [], "x", 3
    for index in range(exits):
        nodes.append(Node(f"conv{index}", Conv(width, channels), (last,)))
        nodes.append(Node(f"exit{index}", head(channels, 5), (f"conv{index}",)))
        last, width = f"conv{index}", channels
    names = tuple(f"exit{index}" for index in range(exits))
    return BlockGraph((3, 8, 8), 5, tuple(nodes), names)


@pytest.fixture
def graph() -> BlockGraph:
    """A chain with three exits."""
    return chain(3)


@pytest.fixture
def broken_graph() -> BlockGraph:
    """A chain with two exits whose answers are not finite."""
    return chain(2, head=Broken)


@pytest.fixture
def make_graph() -> Callable[[int, int], BlockGraph]:
    """Makes a chain from a number of exits and of channels."""
    return lambda exits, channels: chain(exits, channels)
