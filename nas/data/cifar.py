"""CIFAR-10 and CIFAR-100: 50,000 + 10,000 colour images of 32x32 (Krizhevsky 2009)."""

import hashlib
from pathlib import Path

import numpy as np

from nas.data.cifar_pickle import read_pickle
from nas.data.dataset import DataSpec
from nas.data.places import find
from nas.data.pools import ArrayPool, Source
from nas.data.split import held_out_count
from nas.data.torchvision_sets import CifarFiles, cifar_files
from nas.errors import UserError

SIDE = 32
LABEL_KEYS = ("labels", "fine_labels")  # CIFAR-10's, CIFAR-100's


def files(spec: DataSpec) -> list[Path]:
    """All files that the images are read from. UserError where the set is nowhere."""
    known = cifar_files(spec.source)
    folder = _folder(spec, known)
    return [folder / name for name, _ in (*known.train, *known.test, known.meta)]


def open_set(spec: DataSpec) -> Source:
    """The set of `spec.source` from the python batches a user has."""
    known = cifar_files(spec.source)
    folder = _folder(spec, known)
    classes = _classes(folder, known)
    train = _pool(folder, known.train, len(classes))
    side = spec.image or SIDE
    return Source(
        name=spec.source,
        classes=classes,
        size=(side, side),
        train=train,
        held_out=held_out_count(train.labels),
        test=lambda: _pool(folder, known.test, len(classes)),
        note="" if side == SIDE else f"32x32 images, resized bilinearly to {side}x{side}",
    )


def _folder(spec: DataSpec, known: CifarFiles) -> Path:
    name = spec.source
    how = f"unpack {known.url} in a folder and give it as the data root"
    wanted = tuple(file for file, _ in known.train)
    return find(name, spec.root, (known.folder, f"{name}/{known.folder}", ""), wanted, (), how)


def _classes(folder: Path, files: CifarFiles) -> tuple[str, ...]:
    name, md5 = files.meta
    meta = read_pickle(_as_published(folder / name, md5))
    return tuple(str(label) for label in meta[files.classes_key])


def _pool(folder: Path, batches: tuple[tuple[str, str], ...], classes: int) -> ArrayPool:
    read = [read_pickle(_as_published(folder / name, md5)) for name, md5 in batches]
    flat = np.concatenate([np.asarray(batch["data"], dtype=np.uint8) for batch in read])
    labels = np.concatenate(
        [np.asarray(batch[key], np.int64) for batch in read for key in LABEL_KEYS if key in batch]
    )
    assert len(flat) == len(labels) and int(labels.max()) < classes  # the MD5 sums fit
    pixels = flat.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return ArrayPool(pixels, labels)


def _as_published(path: Path, md5: str) -> Path:
    """`path` when its bytes are the published ones; UserError says which file is not."""
    if not path.is_file():
        raise UserError(f"{path}: missing")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise UserError(f"{path}: differs from the published file (MD5 {found}, not {md5})")
    return path
