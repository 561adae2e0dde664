"""Labelled images that are decoded and resized only when asked for, row by row."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from nas.data.decode import decode
from nas.data.resize import at_once, fit

Labels = np.ndarray[tuple[int], np.dtype[np.int64]]
Rows = np.ndarray[tuple[int], np.dtype[np.int64]]
Size = tuple[int, int]


class Pool(Protocol):
    """Images with labels int64 [n]; `images` gives some of them as uint8 [rows, c, h, w]."""

    @property
    def labels(self) -> Labels: ...

    @property
    def channels(self) -> int: ...

    def images(self, rows: Rows, size: Size) -> torch.Tensor: ...


class Pixels(Protocol):
    """Images uint8 [n, height, width] or [n, height, width, channels], in memory or in a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: Rows, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False, slots=True)
class ArrayPool:
    """Images that are decoded already."""

    pixels: Pixels
    labels: Labels

    @property
    def channels(self) -> int:
        return 1 if len(self.pixels.shape) == 3 else self.pixels.shape[3]

    def images(self, rows: Rows, size: Size) -> torch.Tensor:
        """The rows as uint8 [rows, channels, height, width]."""
        out = torch.empty((len(rows), self.channels, *size), dtype=torch.uint8)
        step = at_once(prod(self.pixels.shape[1:]))
        for start in range(0, len(rows), step):
            chosen = torch.from_numpy(self.pixels[rows[start : start + step]])
            chosen = chosen[:, None] if chosen.ndim == 3 else chosen.permute(0, 3, 1, 2)
            out[start : start + step] = fit(chosen.contiguous(), size)
        return out


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


@dataclass(frozen=True, eq=False, slots=True)
class Chosen:
    """Some rows of a pool, all at one size."""

    pool: Pool
    rows: Rows
    size: Size

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of all the images together."""
        return (len(self.rows), self.pool.channels, *self.size)

    @property
    def labels(self) -> Labels:
        return self.pool.labels[self.rows]

    def chunks(self) -> Iterator[torch.Tensor]:
        """The images in order, a bounded number at a time: uint8 [some, channels, h, w]."""
        step = at_once(prod(self.shape[1:]))
        for start in range(0, len(self.rows), step):
            yield self.pool.images(self.rows[start : start + step], self.size)
