"""Labelled images that are decoded and resized only when asked for, row by row."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from nas.data.decode import decode
from nas.data.resize import fit

Labels = np.ndarray[tuple[int], np.dtype[np.int64]]
Rows = np.ndarray[tuple[int], np.dtype[np.int64]]
Size = tuple[int, int]


class Pool(Protocol):
    """Images with labels int64 [n]; `images` gives some of them as uint8 [rows, c, h, w]."""

    @property
    def labels(self) -> Labels: ...

    def images(self, rows: Rows, size: Size) -> torch.Tensor: ...


@dataclass(frozen=True, eq=False, slots=True)
class ArrayPool:
    """Images already in memory: uint8 [n, height, width] or [n, height, width, channels]."""

    pixels: np.ndarray
    labels: Labels

    def images(self, rows: Rows, size: Size) -> torch.Tensor:
        """The rows as uint8 [rows, channels, height, width]."""
        chosen = torch.from_numpy(self.pixels[rows])
        chosen = chosen[:, None] if chosen.ndim == 3 else chosen.permute(0, 3, 1, 2)
        return fit(chosen.contiguous(), size)


@dataclass(frozen=True, eq=False, slots=True)
class EncodedPool:
    """Images as files or as the bytes of files.

    encoded: the path or the bytes of a row; name: what to call that row in an error.
    """

    labels: Labels
    channels: int
    encoded: Callable[[int], Path | bytes]
    name: Callable[[int], str]

    def images(self, rows: Rows, size: Size) -> torch.Tensor:
        """The rows as uint8 [rows, channels, height, width]; UserError names a corrupt one."""
        out = np.empty((len(rows), self.channels, *size), dtype=np.uint8)
        for place, row in enumerate(rows.tolist()):
            out[place] = decode(self.encoded(row), self.name(row), self.channels, size)
        return torch.from_numpy(out)


@dataclass(frozen=True, eq=False, slots=True)
class Source:
    """A set of images before it is split.

    size: height and width that every image gets.
    held_out: its own held-out images, or how many to take out of the train images.
    test: opened only by who asks for the test images.
    """

    name: str
    classes: tuple[str, ...]
    size: Size
    train: Pool
    held_out: Pool | int
    test: Callable[[], Pool]
    note: str
