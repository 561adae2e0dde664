"""Torch modules that blocks are made of, where torch has none of its own.

Joins (concatenation, addition ...) are modules too, so that hooks see them as operators.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


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
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, channels, 1),
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
    activation: bool = True,
) -> list[nn.Module]:
    """Return convolution ("same" padding), BatchNorm and, where asked, ReLU."""
    modules: list[nn.Module] = [
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride,
            padding=(kernel[0] // 2, kernel[1] // 2),
            groups=groups,
            bias=bias,
        ),
        nn.BatchNorm2d(out_channels),
    ]
    return [*modules, nn.ReLU(inplace=True)] if activation else modules


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

    def forward(self, *inputs: Tensor) -> Tensor:
        """Take (own state, finer state), those that the layer reads; return the new state."""
        own = inputs[0] if self.normal else None
        new = [self.down(inputs[-1])] if self.down else []
        if self.normal:
            new.append(self.normal(own))
        if self.skip == "dense" and own is not None:
            new.insert(0, own)
        features: Tensor = self.concat(*new) if self.concat else new[0]
        if self.add is not None:
            features = self.add(features, self.pool(own) if self.pool else own)
        return features
