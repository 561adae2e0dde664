"""ConvOp: the ways in which a layer turns input channels into new features.

The choices of MnasNet (CVPR 2019, section 3.2), with MSDNet's bottleneck (ICLR 2018), ShuffleNet's
unit (CVPR 2018) and Inception-v3's asymmetric factorization (CVPR 2016) beside them.
"""

from dataclasses import dataclass
from math import gcd
from re import findall
from typing import TYPE_CHECKING

from search_spaces.blocks import BlockSpec
from search_spaces.conv_norm import ConvNorm, Pair

if TYPE_CHECKING:
    from torch import nn

CONV_OPS = (
    "bottleneck",
    "conv",
    "sepconv",
    "mbconv3",
    "mbconv6",
    "shuffle2",
    "shuffle4",
    "factorized",
)
SQUEEZED_FIRST = ("bottleneck", "factorized", "shuffle2", "shuffle4")
"""The operations whose first 1x1 convolution is bounded by the bottleneck factor."""


@dataclass(frozen=True, slots=True)
class ConvOp(BlockSpec):
    """One operation with its numbers.

    ``op`` is one of ``CONV_OPS``, or a ShuffleNet unit with other groups: "shuffle3" has its 1x1
    convolutions in 3 groups and shuffles between them, "grouped3" does not shuffle, "grouped1-3"
    has the first convolution in 1 group and the last in 3.

    ``hidden`` are the channels between its convolutions, ``squeezed`` those inside
    squeeze-and-excitation; 0 where there are none. ``activation`` and ``padding`` are those of
    ``layers.conv_norm``; ``last`` is the activation after the last convolution. The gate stands
    after the last activated convolution: before a linear one, as in MnasNet.
    """

    op: str
    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    hidden: int
    squeezed: int
    activation: str = "relu"
    last: str = "relu"
    padding: str = "symmetric"

    def module(self) -> "nn.Module":
        """Build the operation: [batch, in_channels, h, w] to [batch, out_channels, h/s, w/s]."""
        from torch import nn

        layers: list[nn.Module] = []
        for part in self.chain():
            built = part.module()
            layers += built if isinstance(built, nn.Sequential) else [built]
        return nn.Sequential(*layers)

    def chain(self) -> tuple[BlockSpec, ...]:
        """Return convolutions, shuffle and gate in the order in which they run."""
        return tuple(_CHAINS[self.op.rstrip("0123456789-")](self))


@dataclass(frozen=True, slots=True)
class Gate(BlockSpec):
    """Squeeze-and-excitation of so many channels by so many inside."""

    channels: int
    squeezed: int

    def module(self) -> "nn.Module":
        """Build the gate: [batch, channels, h, w] to the same shape."""
        from search_spaces.layers import SqueezeExcite

        return SqueezeExcite(self.channels, self.squeezed)


@dataclass(frozen=True, slots=True)
class Shuffle(BlockSpec):
    """ShuffleNet's shuffle of the channels of so many groups."""

    groups: int

    def module(self) -> "nn.Module":
        """Build the shuffle: [batch, channels, h, w] to the same shape."""
        from search_spaces.layers import ChannelShuffle

        return ChannelShuffle(self.groups)


def conv_op(
    op: str, channels: tuple[int, int], kernel: int, stride: int, factor: int, se: float
) -> ConvOp:
    """Give an operation from ``channels`` (in, out) its numbers.

    A bottleneck keeps min(in, factor * out) channels, as the official MSDNet code does. MBConv
    expands what the layer gives out, since a dense state is already wide. Channels that a shuffle
    unit's groups do not divide are rounded up.
    """
    given, out = channels
    hidden = 0
    if op in SQUEEZED_FIRST:
        hidden = min(given, factor * out)
    if op.startswith("mbconv"):
        hidden = int(op[6:]) * out
    if op.startswith("shuffle"):
        groups = int(op[7:])
        hidden = -(-hidden // groups) * groups
    squeezed = max(1, int(se * out)) if se else 0
    last = "none" if op.startswith("mbconv") else "relu"
    return ConvOp(op, given, out, kernel, stride, hidden, squeezed, last=last)


def _gate(spec: ConvOp, channels: int) -> list[BlockSpec]:
    return [Gate(channels, spec.squeezed)] if spec.squeezed else []


def _bottleneck(spec: ConvOp) -> list[BlockSpec]:
    return [
        _convolve(spec, spec.in_channels, spec.hidden),
        _convolve(spec, spec.hidden, spec.out_channels, _square(spec), last=True),
        *_gate(spec, spec.out_channels),
    ]


def _conv(spec: ConvOp) -> list[BlockSpec]:
    return [
        _convolve(spec, spec.in_channels, spec.out_channels, _square(spec), last=True),
        *_gate(spec, spec.out_channels),
    ]


def _sepconv(spec: ConvOp) -> list[BlockSpec]:
    given, linear = spec.in_channels, spec.last == "none"
    return [
        _convolve(spec, given, given, _square(spec), groups=given),
        *(_gate(spec, given) if linear else []),
        _convolve(spec, given, spec.out_channels, last=True),
        *(_gate(spec, spec.out_channels) if not linear else []),
    ]


def _mbconv(spec: ConvOp) -> list[BlockSpec]:
    hidden = spec.hidden
    return [
        _convolve(spec, spec.in_channels, hidden),
        _convolve(spec, hidden, hidden, _square(spec), groups=hidden),
        *_gate(spec, hidden),
        _convolve(spec, hidden, spec.out_channels, last=True),
    ]


def _shuffle(spec: ConvOp) -> list[BlockSpec]:
    hidden, groups = spec.hidden, [int(number) for number in findall(r"\d+", spec.op)]
    first, last = gcd(groups[0], spec.in_channels), gcd(groups[-1], spec.out_channels)
    shuffles = first > 1 and spec.op.startswith("shuffle")
    kernel, stride = _square(spec)
    return [
        _convolve(spec, spec.in_channels, hidden, groups=first),
        *([Shuffle(groups[0])] if shuffles else []),
        ConvNorm(hidden, hidden, kernel, stride, activation="none", groups=hidden),
        _convolve(spec, hidden, spec.out_channels, groups=last, last=True),
        *_gate(spec, spec.out_channels),
    ]


def _factorized(spec: ConvOp) -> list[BlockSpec]:
    row, column, hidden = (1, spec.kernel), (spec.kernel, 1), spec.hidden
    return [
        _convolve(spec, spec.in_channels, hidden),
        _convolve(spec, hidden, hidden, (row, (1, spec.stride))),
        _convolve(spec, hidden, spec.out_channels, (column, (spec.stride, 1)), last=True),
        *_gate(spec, spec.out_channels),
    ]


def _square(spec: ConvOp) -> tuple[Pair, Pair]:
    return (spec.kernel, spec.kernel), (spec.stride, spec.stride)


def _convolve(
    spec: ConvOp,
    given: int,
    out: int,
    size: tuple[Pair, Pair] = ((1, 1), (1, 1)),
    groups: int = 1,
    last: bool = False,
) -> ConvNorm:
    """One convolution of the operation, ``size`` its kernel and stride."""
    activation = spec.last if last else spec.activation
    return ConvNorm(given, out, *size, activation=activation, padding=spec.padding, groups=groups)


_CHAINS = {
    "bottleneck": _bottleneck,
    "conv": _conv,
    "sepconv": _sepconv,
    "mbconv": _mbconv,
    "shuffle": _shuffle,
    "grouped": _shuffle,
    "factorized": _factorized,
}
