"""Torch modules that blocks are made of, where torch has none of its own.

Joins (concatenation, addition ...) are modules too, so that hooks see them as operators.
"""

from collections.abc import Iterable
from math import log

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad

from search_spaces.unfilled import BatchNorm2d, Conv2d


class Concat(nn.Module):
    """Join tensors [batch, c_i, h, w] into [batch, sum of c_i, h, w]."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Concatenate along the channels."""
        return torch.cat(inputs, dim=1)


class AddGrown(nn.Module):
    """Add a shortcut to features that have at least as many channels; missing ones count as zero.

    The zero-padded identity of ResNet (CVPR 2016, section 4.2, option A).
    """

    def forward(self, features: Tensor, shortcut: Tensor) -> Tensor:
        """Map [batch, c, h, w] and [batch, c' <= c, h, w] to [batch, c, h, w]."""
        grown = features.shape[1] - shortcut.shape[1]
        return features + (pad(shortcut, (0, 0, 0, 0, 0, grown)) if grown else shortcut)


class Subsample(nn.Module):
    """Keep every ``stride``-th pixel of x [batch, c, h, w] (ResNet's shortcut, option A)."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return the pixels kept."""
        if self.training:
            # The same pixels; but the gradient of a slice has its channels outermost, and all
            # that lies before it then trains a fifth slower.
            return avg_pool2d(x, 1, self.stride)
        return x[:, :, :: self.stride, :: self.stride]


class SamePad(nn.Module):
    """Zero-pad as TensorFlow's SAME does: ceil(size / stride) outputs, the odd pixel at the end."""

    def __init__(self, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pad x [batch, c, h, w] for a convolution without padding of its own."""
        return pad(x, self.margins(x.shape[2:]))

    def margins(self, size: Iterable[int]) -> list[int]:
        """Return the zeros left, right, above and below an image of ``size`` (height, width)."""
        margins: list[int] = []
        for pixels, kernel, stride in zip(size, self.kernel, self.stride, strict=True):
            missing = max(0, (-(-pixels // stride) - 1) * stride + kernel - pixels)
            margins = [missing // 2, missing - missing // 2, *margins]
        return margins


class AverageProbabilities(nn.Module):
    """The mean prediction of ensemble members, as logits: log of the mean of their softmaxes."""

    def forward(self, *logits: Tensor) -> Tensor:
        """Map logits [batch, classes], one a member, to log-probabilities [batch, classes]."""
        logs = torch.stack([answer.log_softmax(dim=1) for answer in logits])
        return logs.logsumexp(dim=0) - log(len(logits))


class Scale(nn.Module):
    """Multiply features [batch, c, h, w] by gates [batch, c, 1, 1]."""

    def forward(self, features: Tensor, gates: Tensor) -> Tensor:
        """Return the gated features."""
        return features * gates


class ChannelShuffle(nn.Module):
    """Interleave the channels of ``groups`` groups (ShuffleNet, CVPR 2018, section 3.1)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Permute the channels of x [batch, channels, height, width]."""
        n, c, h, w = x.shape
        return x.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)


class SqueezeExcite(nn.Module):
    """Gate channels by what the whole image shows (Squeeze-and-Excitation, CVPR 2018).

    Both 1x1 convolutions have biases and no BatchNorm, as in MnasNet.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.gates = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            Conv2d(channels, squeezed, 1),
            nn.ReLU(inplace=True),
            Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )
        self.scale = Scale()

    def forward(self, x: Tensor) -> Tensor:
        """Map x [batch, channels, height, width] to the same shape."""
        gated: Tensor = self.scale(x, self.gates(x))
        return gated


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel: tuple[int, int] = (1, 1),
    stride: tuple[int, int] = (1, 1),
    groups: int = 1,
    bias: bool = False,
    activation: str = "relu",
    padding: str = "symmetric",
) -> list[nn.Module]:
    """Return convolution, BatchNorm and activation ("relu", "relu6" or "none").

    ``padding``: "symmetric" (half the kernel on each side), "valid" (none) or "tensorflow" (SAME
    as TensorFlow counts it, which pads strided convolutions at the end only).
    """
    halves = (kernel[0] // 2, kernel[1] // 2) if padding == "symmetric" else (0, 0)
    modules: list[nn.Module] = [
        *([SamePad(kernel, stride)] if padding == "tensorflow" and kernel != (1, 1) else []),
        Conv2d(in_channels, out_channels, kernel, stride, padding=halves, groups=groups, bias=bias),
        BatchNorm2d(out_channels),
    ]
    return [*modules, *activations(activation)]


def activations(name: str) -> list[nn.Module]:
    """Return the module of an activation by its name, none for "none"."""
    if name == "none":
        return []
    return [nn.ReLU6(inplace=True) if name == "relu6" else nn.ReLU(inplace=True)]


class ResidualUnit(nn.Module):
    """A body and a shortcut (None: the input itself), added or concatenated, then activated."""

    def __init__(
        self, body: nn.Module, shortcut: nn.Module | None, join: str, activation: str
    ) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut
        self.join: nn.Module = Concat() if join == "concat" else AddGrown()
        self.shortcut_first = join == "concat"
        self.activation = nn.Sequential(*activations(activation))

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, out, h', w']."""
        features = self.body(x)
        kept = x if self.shortcut is None else self.shortcut(x)
        pair = (kept, features) if self.shortcut_first else (features, kept)
        joined: Tensor = self.activation(self.join(*pair))
        return joined


class MultiScaleLayer(nn.Module):
    """New features of one scale, from its own state and from the next finer scale's.

    ``skip`` says what becomes of the old state: kept beside the new features (dense), added to
    them (identity), averaged over 3x3 and added (pool), or dropped (none).
    """

    def __init__(self, normal: nn.Module | None, down: nn.Module | None, skip: str) -> None:
        super().__init__()
        self.normal, self.down, self.skip = normal, down, skip
        self.pool = nn.AvgPool2d(3, 1, 1) if skip == "pool" else None
        self.concat = Concat() if skip == "dense" or (normal and down) else None
        self.add = AddGrown() if skip in ("identity", "pool") else None

    @property
    def grows(self) -> bool:
        """Whether the own state stays, and ``grow`` gives what is appended."""
        return self.skip == "dense" and self.normal is not None

    def grow(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Take what ``forward`` takes; return the new features alone, from the finer scale first.

        Without an own state they are all that there is.
        """
        down = (self.down(inputs[-1]),) if self.down else ()
        return (*down, self.normal(inputs[0])) if self.normal else down

    def forward(self, *inputs: Tensor) -> Tensor:
        """Take (own state, finer state), those that the layer reads; return the new state."""
        new = self.grow(*inputs)
        parts = (inputs[0], *new) if self.grows else new
        features: Tensor = self.concat(*parts) if self.concat else parts[0]
        if self.add is not None:
            features = self.add(features, self.pool(inputs[0]) if self.pool else inputs[0])
        return features


class ParallelPaths(nn.Module):
    """Paths that read the same input, their outputs concatenated (Inception, CVPR 2015)."""

    def __init__(self, paths: Iterable[nn.Module]) -> None:
        super().__init__()
        self.paths = nn.ModuleList(paths)
        self.join = Concat()

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, h, w] to [batch, sum of the paths' channels, h', w']."""
        joined: Tensor = self.join(*(path(x) for path in self.paths))
        return joined


class Growing(nn.Module):
    """Append new features to what comes in (DenseNet, CVPR 2017)."""

    grows = True

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.concat = Concat()

    def grow(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the new features of x [batch, channels, height, width] alone."""
        return (self.features(x),)

    def forward(self, x: Tensor) -> Tensor:
        """Return x and its new features, joined along the channels."""
        joined: Tensor = self.concat(x, *self.grow(x))
        return joined


def norm_conv(in_channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    """Return BatchNorm, ReLU, convolution: the pre-activated order of DenseNet (CVPR 2017)."""
    return [
        BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
    ]


class Resize(nn.Module):
    """Bilinear interpolation to the size of another tensor, the corners on the corners."""

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """Map x [batch, c, h, w] to the height and width of ``like``."""
        if x.shape[2:] == like.shape[2:]:
            return x
        return interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)


class FusedLayer(nn.Module):
    """A state joined by features of a coarser one (``up``) and features of its ``own``.

    All take the size of the layer's own features, which are smaller than the state where the layer
    strides; without ``own``, the size of the state.
    """

    def __init__(self, own: nn.Module | None, up: nn.Module | None, strides: bool) -> None:
        super().__init__()
        self.own, self.up = own, up
        self.grows = not strides
        self.resize, self.concat = Resize(), Concat()

    def grow(self, state: Tensor, coarser: Tensor | None = None) -> tuple[Tensor, ...]:
        """Take what ``forward`` takes; return the new features alone, the coarser's first."""
        own = (self.own(state),) if self.own else ()
        like = own[0] if own else state
        raised = (self.resize(self.up(coarser), like),) if self.up else ()
        return (*raised, *own)

    def forward(self, state: Tensor, coarser: Tensor | None = None) -> Tensor:
        """Map [batch, c, h, w] and, with ``up``, [batch, c', h', w'] to the new state."""
        new = self.grow(state, coarser)
        kept = state if self.grows else self.resize(state, new[-1])
        joined: Tensor = self.concat(kept, *new)
        return joined
