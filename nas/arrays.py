"""Arrays in `.npz` files that people exchange, each looked at before it is read.

A file of a megabyte can unpack to a gigabyte, and the head of an array may claim more than its
file holds. Both are refused before any memory is taken, and so are arrays of Python objects, which
are pickles.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any
from zlib import error as ZlibError

import numpy as np
from numpy.lib import format as npy

_SUFFIX = ".npy"
_SMALL = 64 * 2**20  # bytes unpacked; sorted labels are packed to a thousandth, images never
_RATIO = 100  # how much smaller than unpacked a larger array may be packed
_PART = 2**20  # bytes read at a time
_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}

UNREADABLE = (
    *(OSError, EOFError, ValueError, TypeError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, ZlibError),
)
"""What is raised for a file, or an array in it, that is cut off, damaged or refused."""


class Arrays:
    """The arrays of an open file by name. Reading one raises KeyError or one of `UNREADABLE`."""

    def __init__(self, archive: zipfile.ZipFile, limit: int | None) -> None:
        self._archive = archive
        entries = archive.infolist()
        if limit is not None and sum(entry.file_size for entry in entries) > limit:
            raise ValueError(f"more than {limit // 2**20} MiB when unpacked")
        self._entries = {entry.filename.removesuffix(_SUFFIX): entry for entry in entries}

    @property
    def names(self) -> tuple[str, ...]:
        """Of all arrays, as they stand in the file."""
        return tuple(self._entries)

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        entry = self._entries[name]
        if entry.file_size > max(_SMALL, _RATIO * entry.compress_size):
            raise ValueError(f"it would unpack to {entry.file_size:,} bytes")
        with self._archive.open(entry) as member:
            return _read(member, entry.file_size)


@contextmanager
def opened(path: Path, limit: int | None = None) -> Iterator[Arrays]:
    """The arrays of a file; `limit`: bytes that all of them together may take, None for any.

    Raises one of `UNREADABLE` for what is no such file.
    """
    with zipfile.ZipFile(path) as archive:
        yield Arrays(archive, limit)


def _read(member: IO[bytes], size: int) -> np.ndarray[Any, Any]:
    """The array in a member of `size` bytes. Raises ValueError where its head claims another."""
    reader = _READERS.get(npy.read_magic(member))
    if reader is None:
        raise ValueError("of a kind that is not read here")  # structures with names
    shape, fortran, kind = reader(member)
    if kind.hasobject:
        raise ValueError("it holds Python objects")
    if prod(shape) * kind.itemsize != size - member.tell():
        raise ValueError("it is not as long as its head says")
    found = np.empty(prod(shape), kind)
    if found.nbytes:
        _fill(found.view(np.uint8).data, member)
    return found.reshape(shape, order="F" if fortran else "C")


def _fill(room: memoryview, member: IO[bytes]) -> None:
    at = 0
    while at < len(room):
        part = member.read(min(_PART, len(room) - at))
        if not part:
            raise EOFError("it is cut off")
        room[at : at + len(part)] = part
        at += len(part)
