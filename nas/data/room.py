"""Room for one more file of decoded images: the ones that were not used for longest go."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MOST = 20_000_000_000  # bytes of all files together ...
SHARE = 10  # ... and at most a tenth of the disk
SPARE = 1 << 30  # bytes left free on the disk, for results
SUFFIX, PARTIAL, LOCK = ".images", ".part", ".lock"


def make_room(folder: Path, needed: int) -> int:
    """Remove files that nobody uses until `needed` bytes more are within the limit and the disk.

    Returns how many bytes are missing then, 0 if there is room. A set that is larger than the
    limit is kept nevertheless, alone.
    """
    for ending in (PARTIAL, LOCK):
        for path in folder.glob(f"*{ending}"):
            _removed(path)  # of a process that died
    limit = min(MOST, shutil.disk_usage(folder).total // SHARE)
    kept = sorted(_kept(folder))
    total = sum(size for _, size, _ in kept)
    for _, size, path in kept:
        if total + needed <= limit and not _missing(folder, needed):
            break
        if _removed(path):
            total -= size
    return _missing(folder, needed)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _missing(folder: Path, needed: int) -> int:
    return max(0, needed + SPARE - shutil.disk_usage(folder).free)


def _kept(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each file was used last, its bytes, the file."""
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):  # another process makes room too
            found = path.stat()
            yield found.st_mtime, found.st_size, path


def _removed(path: Path) -> bool:
    """Whether the file is gone now; it stays where it is locked, being read or written."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_at(descriptor, path):
            path.unlink()
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
