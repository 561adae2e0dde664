"""A folder that is there whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from nas.errors import UserError

WRITTEN = ("config.yaml", "weights.safetensors", "policy.json", "README.txt", "*.onnx")
WRITTEN_FOLDERS = ("onnx_runner",)


def destination(asked: str | None, name: str, force: bool) -> Path:
    """The folder to write: the one asked for, or `name` here.

    Raises UserError where it exists and is not empty, unless with ``force`` it is an export and
    nothing but that, or its own folder does not exist.
    """
    if asked == "":
        raise UserError("'' is no folder name")
    path = Path(asked or name)
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise UserError(f"{path} exists and is no folder; give another name with -o")
    if path.is_dir() and any(path.iterdir()):
        if not force:
            raise UserError(f"{path} exists; give another name with -o, or --force to replace it")
        if foreign := next((each for each in path.iterdir() if not _ours(each)), None):
            raise UserError(f"{path} holds {foreign.name}, which no export wrote; not replaced")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}")
    return path


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Gives an empty folder beside `path` that takes its place, and its name, at the end.

    After an exception nothing of it is left, and what was at `path` stays. Raises UserError where
    nothing can be written.
    """
    path = path.absolute()
    try:
        work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None
    try:
        new, old = work / "new", work / "old"
        new.mkdir()
        yield new
        _replace(path, new, old)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(work)


def _replace(path: Path, new: Path, old: Path) -> None:
    """Put `new` at `path` and what was there at `old`, or leave it there after an exception."""
    if path.exists():
        path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        if old.exists():
            old.rename(path)
        raise


def _ours(path: Path) -> bool:
    if path.is_dir():
        return path.name in WRITTEN_FOLDERS
    return any(fnmatch(path.name, each) for each in WRITTEN)
