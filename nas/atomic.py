"""Files that are there whole or not at all."""

import os
import tempfile
from pathlib import Path


def write(path: Path, data: bytes, mode: int = 0o644, durable: bool = True) -> None:
    """Write `data` so that whoever reads `path`, even after a crash, sees the old or the new.

    durable: wait until the disk has it; without, a power cut may leave an empty file.

    Raises OSError if the folder does not exist or cannot be written; nothing is left behind then.
    """
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
