"""How the kernel of a convolution or a pool slides over an image, and what it reads beyond it."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from latency.graphs.folding import Step


@dataclass(frozen=True, slots=True)
class Slide:
    """A kernel along one axis of an image; ``before`` and ``after``: pixels read beyond its ends.

    ``reach`` counts the pixels from the kernel's first to its last. Padding that no kernel reaches
    is not counted.
    """

    size: int
    out: int
    reach: int
    stride: int
    before: int

    @property
    def after(self) -> int:
        """Pixels read beyond the end."""
        return max(0, (self.out - 1) * self.stride + self.reach - self.size - self.before)

    @property
    def same(self) -> bool:
        """Whether TFLite's SAME is this: ceil(size / stride) outputs, the odd pixel at the end."""
        missing = self.before + self.after
        return self.out == -(-self.size // self.stride) and self.before == missing // 2


def slides(step: Step) -> tuple[Slide, Slide]:
    """Return how a convolution or a pool slides along height and width."""
    leaf = step.call.module
    assert isinstance(leaf, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d)
    assert not isinstance(leaf.padding, str)
    dilation = (1, 1) if isinstance(leaf, nn.AvgPool2d) else pair(leaf.dilation)
    kernel, stride, padding = pair(leaf.kernel_size), pair(leaf.stride), pair(leaf.padding)
    height, width = (
        Slide(
            size=step.input_shapes[0][1 + axis],
            out=step.call.output_shape[1 + axis],
            reach=(kernel[axis] - 1) * dilation[axis] + 1,
            stride=stride[axis],
            before=step.margins[axis] + padding[axis],
        )
        for axis in (0, 1)
    )
    return height, width


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """Return (height, width) of what torch keeps as one number or as two."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])
