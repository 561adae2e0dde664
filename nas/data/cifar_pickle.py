"""CIFAR's pickled batches without running what a pickle may ask for.

A pickle can call any function by name. The published batches need three: those that rebuild a
NumPy array. Every other name stops the reading.
"""

import codecs
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import UserError

_RECONSTRUCT = np.empty(0).__reduce__()[0]
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,  # bytes in pickles written by Python 3, protocol 2
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary of lists, strings and NumPy arrays in `path`.

    Raises:
        UserError: not a pickle, cut off, not a dictionary, or one that asks for anything else.
    """
    try:
        with path.open("rb") as file:
            content = _ArraysOnly(file, encoding="latin1").load()
    # A damaged pickle can stop in any step of its own little machine.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a CIFAR batch ({reason})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a CIFAR batch (a {type(content).__name__})")
    return content
