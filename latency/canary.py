"""The canary: a fixed small network that every campaign times again and again.

Its time tells how fast the device was during a campaign, whatever else was measured in it: the
drift between two campaigns, and whether something else kept the device busy.
"""

import numpy as np
from numpy.typing import NDArray

from latency.runtimes.runtime import Piece
from search_spaces.blocks import IMAGE, BlockGraph, Node
from search_spaces.conv_norm import ConvNorm
from search_spaces.exits import head

BUSY = 1.25
"""A median so much over the floor says that something else ran beside the campaign."""


def piece() -> Piece:
    """Return the canary: six convolutions on 3x32x32, dense and depthwise, 3.6 M MACs."""
    specs = (
        ConvNorm(3, 16, 3),
        ConvNorm(16, 32, 3, 2),
        ConvNorm(32, 32, 3, groups=32),
        ConvNorm(32, 64, 1),
        ConvNorm(64, 64, 3, 2),
        ConvNorm(64, 128, 1),
        head("pool", 128, 10),
    )
    names = (IMAGE, *(f"block{index}" for index in range(len(specs))))
    nodes = tuple(
        Node(name, spec, (before,))
        for name, spec, before in zip(names[1:], specs, names, strict=False)
    )
    return Piece.network(BlockGraph((3, 32, 32), 10, nodes, (names[-1],)))


def floor_ms(beats: NDArray[np.float64]) -> float:
    """Return the undisturbed milliseconds of the canary: its fastest pass; NaN without any."""
    return float(beats.min()) if len(beats) else float("nan")


def restlessness(beats: NDArray[np.float64]) -> float:
    """Return by which factor the canary's median pass lies over its floor; NaN without any."""
    return float(np.median(beats)) / floor_ms(beats) if len(beats) else float("nan")
