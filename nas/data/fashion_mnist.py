"""Fashion-MNIST: 60,000 + 10,000 grey images of 28x28 (Xiao, Rasul, Vollgraf 2017)."""

from pathlib import Path

import numpy as np

from nas.data.dataset import DataSpec
from nas.data.idx import read_idx
from nas.data.places import find
from nas.data.pools import ArrayPool, Source
from nas.data.split import held_out_count
from nas.errors import UserError

CLASSES = (
    "t-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
SIDE = 28
IMAGES = "{part}-images-idx3-ubyte"
LABELS = "{part}-labels-idx1-ubyte"
FOLDERS = ("fashion-mnist", "FashionMNIST/raw", "")  # ours, torchvision's, the root itself
SYSTEM = ("/usr/share/datasets/fashion-mnist",)
HOW = (
    "install Debian's package dataset-fashion-mnist, or put the four .gz files of"
    " github.com/zalandoresearch/fashion-mnist in a folder and give it as the data root"
)


def files(spec: DataSpec) -> list[Path]:
    """All files that the images are read from. UserError where the set is nowhere."""
    folder = _folder(spec)
    kinds = (IMAGES, LABELS)
    return [_file(folder, kind.format(part=part)) for part in ("train", "t10k") for kind in kinds]


def open_set(spec: DataSpec) -> Source:
    """The original images, not resized unless `spec.image` says so."""
    folder = _folder(spec)
    train = _pool(folder, "train")
    side = spec.image or SIDE
    return Source(
        name="fashion-mnist",
        classes=CLASSES,
        size=(side, side),
        train=train,
        held_out=held_out_count(train.labels),
        test=lambda: _pool(folder, "t10k"),
        note="" if side == SIDE else f"28x28 images, resized bilinearly to {side}x{side}",
    )


def _folder(spec: DataSpec) -> Path:
    first = IMAGES.format(part="train")
    return find("fashion-mnist", spec.root, FOLDERS, (first + ".gz", first), SYSTEM, HOW)


def _pool(folder: Path, part: str) -> ArrayPool:
    images = read_idx(_file(folder, IMAGES.format(part=part)))
    labels = read_idx(_file(folder, LABELS.format(part=part)))
    if images.ndim != 3 or labels.shape != images.shape[:1] or not labels.size:
        raise UserError(f"{folder}: {part} images {images.shape} and labels {labels.shape} differ")
    if labels.max() >= len(CLASSES):
        raise UserError(f"{folder}: {part} label {labels.max()}; labels are 0 to 9")
    return ArrayPool(images, labels.astype(np.int64))


def _file(folder: Path, name: str) -> Path:
    zipped = folder / (name + ".gz")
    return zipped if zipped.is_file() else folder / name
