"""Decoded images: in memory, or in a file that any number of processes map and none writes.

The file has, part after part, the images (uint8) and the labels (int64), then a JSON object that
says what they are, then the length of that object and a mark: who finds the mark where the length
says so has a whole file.
"""

import json
import mmap
import os
import struct
import warnings
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import BinaryIO

import numpy as np
import torch

from nas.data.dataset import Split
from nas.data.pools import Chosen
from nas.data.statistics import Counts

_TAIL = struct.Struct("<Q16s")
_MARK = b"nas images 1\n\0\0\0"


@dataclass(frozen=True, eq=False, slots=True)
class Wanted:
    """What is to be decoded. note: what a reader of any figure must know."""

    name: str
    classes: tuple[str, ...]
    note: str
    parts: tuple[Chosen, ...]

    @property
    def bytes(self) -> int:
        """Of all images and labels."""
        return sum(prod(part.shape) + 8 * len(part.rows) for part in self.parts)


@dataclass(frozen=True, eq=False, slots=True)
class Decoded:
    """What was decoded. mean, std: per channel of the first part, scaled to 0..1."""

    name: str
    classes: tuple[str, ...]
    note: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    parts: tuple[Split, ...]


def in_memory(wanted: Wanted) -> Decoded:
    """Decode into tensors of this process."""
    counts = Counts(wanted.parts[0].pool.channels)
    parts: list[Split] = []
    for part in wanted.parts:
        images = torch.empty(part.shape, dtype=torch.uint8)
        done = 0
        for chunk in part.chunks():
            images[done : done + len(chunk)] = chunk
            done += len(chunk)
            if not parts:
                counts.add(chunk)
        parts.append(Split(images, torch.from_numpy(part.labels)))
    return Decoded(wanted.name, wanted.classes, wanted.note, *counts.statistics(), tuple(parts))


def write(wanted: Wanted, file: BinaryIO) -> None:
    """Decode into `file`, a bounded number of images at a time."""
    counts = Counts(wanted.parts[0].pool.channels)
    for part in wanted.parts:
        for chunk in part.chunks():
            file.write(chunk.numpy().data)
            if part is wanted.parts[0]:
                counts.add(chunk)
        file.write(part.labels.tobytes())
    mean, std = counts.statistics()
    about = json.dumps(
        {
            "name": wanted.name,
            "classes": wanted.classes,
            "note": wanted.note,
            "mean": mean,
            "std": std,
            "parts": [part.shape for part in wanted.parts],
        }
    ).encode()
    file.write(about + _TAIL.pack(len(about), _MARK))


def mapped(descriptor: int) -> Decoded | None:
    """The images of an open file, where the system keeps them; None if it is not a whole one.

    The mapping keeps the descriptor's lock (flock) for as long as any of the tensors lives, also
    after the descriptor is closed. Writing into the images ends the process.
    """
    size = os.fstat(descriptor).st_size
    if size < _TAIL.size:
        return None
    content = mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    length, mark = _TAIL.unpack(content[-_TAIL.size :])
    end = size - _TAIL.size - length
    if mark != _MARK or end < 0:
        return None
    about = json.loads(content[end : end + length])
    if sum(prod(shape) + 8 * shape[0] for shape in about["parts"]) != end:
        return None
    # Rows are asked for one by one: reading around each would read the file many times over.
    content.madvise(mmap.MADV_RANDOM)
    parts, place = [], 0
    for shape in about["parts"]:
        fetch = partial(_fetch, content, place, prod(shape[1:]))
        images = np.frombuffer(content, np.uint8, prod(shape), place).reshape(shape)
        place += images.nbytes
        labels = np.frombuffer(content, np.uint8, 8 * shape[0], place).copy()
        place += labels.nbytes
        parts.append(Split(_tensor(images), torch.from_numpy(labels.view(np.int64)), fetch))
    return Decoded(
        about["name"],
        tuple(about["classes"]),
        about["note"],
        tuple(about["mean"]),
        tuple(about["std"]),
        tuple(parts),
    )


def _fetch(content: mmap.mmap, start: int, size: int, rows: list[int]) -> None:
    """Have the system read rows of `size` bytes, all of them at once, before they are needed."""
    for row in rows:
        first = start + row * size
        page = first - first % mmap.PAGESIZE
        content.madvise(mmap.MADV_WILLNEED, page, first + size - page)


def _tensor(images: np.ndarray) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the array cannot be written to, as it should
        return torch.from_numpy(images)
