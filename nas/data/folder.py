"""Images in folders: `FOLDER/train|val|test/CLASS/*`.

The class folders of `train/` name the classes. With `test/`, `val/` (if present) is held out;
without it, `val/` is the test and the held-out images come out of `train/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.data.dataset import DataSpec
from nas.data.decode import decode_header
from nas.data.pools import EncodedPool, Size, Source
from nas.data.split import held_out_count
from nas.errors import UserError
from nas.onnx_runner.errors import InputError
from nas.onnx_runner.images import inside

DEFAULT_IMAGE = 64  # for images of mixed sizes, or larger ones, when no size is asked for


@dataclass(frozen=True, slots=True)
class _Files:
    paths: tuple[Path, ...]
    labels: tuple[int, ...]

    def pool(self, channels: int) -> EncodedPool:
        return EncodedPool(
            labels=np.asarray(self.labels, dtype=np.int64),
            channels=channels,
            encoded=lambda row: self.paths[row],
            name=lambda row: str(self.paths[row]),
        )


def files(folder: Path) -> list[Path]:
    """All files in the class folders, images or not."""
    parts = (folder / name for name in ("train", "val", "test"))
    classes = [path for part in parts if part.is_dir() for path in _folders(part)]
    return [file for path in classes for file in sorted(path.iterdir())]


def open_set(folder: Path, spec: DataSpec) -> Source:
    """The images under `folder`; only the headers of the train images are read now.

    Raises:
        UserError: a part or class is missing or empty, or a train image is not readable.
    """
    if not (folder / "train").is_dir():
        raise UserError(f"{folder}: no folder train/ with one folder of images per class")
    classes = tuple(path.name for path in _folders(folder / "train"))
    if not classes:
        raise UserError(f"{folder / 'train'}: empty; it needs one folder of images per class")
    files = _files(folder / "train", classes)
    headers = [decode_header(path, str(path)) for path in files.paths]
    channels = 3 if any(colour for _, colour in headers) else 1
    size, note = _size(spec, {size for size, _ in headers})
    test, val = _test_and_val(folder)
    train = files.pool(channels)
    return Source(
        name=folder.absolute().name,
        classes=classes,
        size=size,
        train=train,
        held_out=_files(val, classes).pool(channels) if val else held_out_count(train.labels),
        test=lambda: _files(test, classes).pool(channels),
        note=note,
    )


def _test_and_val(folder: Path) -> tuple[Path, Path | None]:
    test, val = folder / "test", folder / "val"
    if test.is_dir():
        return test, val if val.is_dir() else None
    if val.is_dir():
        return val, None
    raise UserError(f"{folder}: neither test/ nor val/; one of them must hold the test images")


def _size(spec: DataSpec, sizes: set[Size]) -> tuple[Size, str]:
    """The height and width of all images, and what to say about it."""
    own = next(iter(sizes))
    if spec.image is None and len(sizes) == 1 and max(own) <= DEFAULT_IMAGE:
        return own, ""
    side = spec.image or DEFAULT_IMAGE
    if sizes == {(side, side)}:
        return own, ""
    found = f"images of {own[1]}x{own[0]}" if len(sizes) == 1 else "images of mixed sizes"
    return (side, side), f"{found}, resized and centre-cropped to {side}x{side}"


def _files(part: Path, classes: Sequence[str]) -> _Files:
    """Every image below `part`; its classes must be among `classes`."""
    found = [path.name for path in _folders(part)]
    for name in found:
        if name not in classes:
            raise UserError(f"{part / name}: a class that train/ does not have")
    if not found:
        raise UserError(f"{part}: empty; it needs one folder of images per class")
    paths: list[Path] = []
    labels: list[int] = []
    for name in found:
        images = _images(part / name)
        paths += images
        labels += [classes.index(name)] * len(images)
    return _Files(tuple(paths), tuple(labels))


def _images(folder: Path) -> list[Path]:
    try:
        return inside(folder)
    except InputError as error:
        raise UserError(str(error)) from None


def _folders(part: Path) -> list[Path]:
    return sorted(
        path for path in part.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
