"""One array of an `.npz` file, read row by row: the file may be larger than the memory."""

from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import numpy as np

from nas.data.pools import Rows
from nas.errors import UserError

UNREADABLE = (OSError, ValueError, BadZipFile, EOFError, ZlibError, KeyError)
BLOCK = 1 << 20  # bytes read at once where nothing is kept
SPAN = 1 << 23  # bytes: rows that lie closer together are read with what is between them


class Member:
    """The array `key` of `path`; rows in ascending order come fast, a step back starts again.

    shape, dtype: as its header says. by_rows: whether a row is in one piece, or the array was
    written column by column.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Looks at every byte once: a damaged file is told before anything is made of it.

        Raises:
            UserError: damaged, or an array that cannot be read without running code.
        """
        self.path, self.key = path, key
        try:
            with ZipFile(path) as archive:
                self._file = archive.open(f"{key}.npy")
                self._size = archive.getinfo(f"{key}.npy").file_size
            self.shape, fortran, self.dtype = _header(self._file)
            self._start = self._file.tell()
            while self._file.read(BLOCK):  # the sum of the archive is checked at its end
                pass
        except UNREADABLE as error:
            raise self._told(error) from error
        self.by_rows = not fortran or len(self.shape) < 2
        self._row = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        if self.dtype.hasobject or self._size - self._start != self.shape[0] * self._row:
            raise self._told("its header does not fit its length")

    def __getitem__(self, rows: Rows) -> np.ndarray:
        """Some rows, as an array of them would give them. UserError where the file has changed."""
        assert self.by_rows
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        if not len(rows):
            return out
        first, last = int(rows.min()), int(rows.max())
        if (last + 1 - first) * self._row <= SPAN:
            between = np.frombuffer(self.between(first, last + 1), self.dtype)
            np.take(between.reshape(-1, *self.shape[1:]), rows - first, axis=0, out=out)
            return out
        for place, row in enumerate(rows.tolist()):
            one = np.frombuffer(self.between(row, row + 1), self.dtype)
            out[place] = one.reshape(self.shape[1:])
        return out

    def between(self, start: int, end: int) -> bytes:
        """The bytes of rows `start` to `end` - 1."""
        wanted = (end - start) * self._row
        try:
            self._file.seek(self._start + start * self._row)
            found = self._file.read(wanted)
        except UNREADABLE as error:
            raise self._told(error) from error
        if len(found) != wanted:
            raise self._told("cut off")
        return found

    def _told(self, why: object) -> UserError:
        return UserError(f"{self.path}: {self.key} cannot be read ({why})")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type of what follows (numpy.lib.format)."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version} of the format")
