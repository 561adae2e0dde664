"""Files in the idx format of MNIST (Y. LeCun's page "The MNIST database", file formats)."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from nas.errors import UserError

UINT8 = 0x08


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of `path`, gzipped (`.gz`) or not.

    Raises:
        UserError: unreadable, not idx, not bytes, or of another length than its header says.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    if len(content) < 4 or content[:3] != bytes((0, 0, UINT8)):
        raise UserError(f"{path}: not an idx file of unsigned bytes")
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start], dtype=">u4").astype(np.int64)
    if len(shape) != content[3] or len(content) - start != int(shape.prod()):
        raise UserError(f"{path}: {len(content)} bytes do not fit its header; is it cut off?")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
