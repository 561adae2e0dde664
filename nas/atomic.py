"""Files that are there whole or not at all."""

import errno
import os
import tempfile
from pathlib import Path


def write(path: Path, data: bytes, mode: int = 0o644, durable: bool = True) -> None:
    """Write `data` so that whoever reads `path`, even after a crash, sees the old or the new.

    durable: wait until the disk has it; without, a power cut may leave an empty file.

    Raises OSError if the folder does not exist or cannot be written, or if `path` is a device or
    a pipe, which a file must not take the place of; nothing is left behind then.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(data)
            file.flush()
            if durable:
                os.fsync(handle)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _flush(path.parent)


def _flush(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name itself must survive a power cut
    finally:
        os.close(folder)
