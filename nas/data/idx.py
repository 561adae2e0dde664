"""Files in the idx format of MNIST (Y. LeCun's page "The MNIST database", file formats)."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from nas.errors import UserError

UINT8 = 0x08
_LARGEST = 64 * 2**20  # bytes; the 60,000 images of 28x28 have 45 of these 64 MiB


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of `path`, gzipped (`.gz`) or not.

    Raises:
        UserError: unreadable, not idx, not bytes, or of another length than its header says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    if len(content) > _LARGEST:
        raise UserError(f"{path}: larger than {_LARGEST // 2**20} MiB, no set of digits is")
    if len(content) < 4 or content[:3] != bytes((0, 0, UINT8)):
        raise UserError(f"{path}: not an idx file of unsigned bytes")
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start], dtype=">u4").astype(np.int64)
    if len(shape) != content[3] or len(content) - start != int(shape.prod()):
        raise UserError(f"{path}: {len(content)} bytes do not fit its header; is it cut off?")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
