"""The name under which decoded images are found again."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

import nas.data
from nas.data.dataset import DataSpec

_DECIDING = ("numpy", "pillow", "torch")  # packages that decode and resize


def identity(spec: DataSpec, part: str, files: Iterable[Path]) -> str:
    """A name that other words, other files or another version of this code do not have.

    part: which images of the set. files: those that the set is read from; one that was changed
    has another size or another time of change.
    """
    seen = hashlib.sha256(_code().encode())
    seen.update(json.dumps([spec.absolute().to_json(), part]).encode())
    for path in files:
        seen.update(json.dumps([str(path.absolute()), *_state(path)]).encode())
    return seen.hexdigest()[:40]


def _state(path: Path) -> tuple[int, int] | tuple[()]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()  # who reads the set says so
    return found.st_size, found.st_mtime_ns


@cache  # the code of a process stays what it is
def _code() -> str:
    here = Path(nas.data.__file__).parent
    seen = hashlib.sha256()
    for path in (*sorted(here.glob("*.py")), here.parent / "onnx_runner" / "images.py"):
        seen.update(path.read_bytes())
    packages = [f"{name} {version(name)}" for name in _DECIDING]
    return " ".join([seen.hexdigest(), *packages])
