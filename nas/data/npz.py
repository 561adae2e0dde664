"""One `.npz` file of labelled images.

For each part of `train`, `test` and, if present, `val`:

`PART_labels`    integers [n], 0 to classes - 1
`PART_images`    uint8 [n, height, width], [n, height, width, 1] or [n, height, width, 3],
or instead
`PART_jpeg`      uint8 [bytes]: image files (JPEG or any other kind), one after the other
`PART_offsets`   integers [n + 1]: file k is the bytes offsets[k] to offsets[k + 1]

`classes`        strings, the names in the order of the labels (optional: "0", "1", ...)

`val` is held out; without it the held-out images come out of `train`. Other keys are ignored.
Arrays of Python objects are refused: they are pickles.
"""

from pathlib import Path

import numpy as np

from nas import arrays
from nas.data.archive import Member
from nas.data.dataset import DataSpec
from nas.data.decode import decode_header
from nas.data.pools import ArrayPool, EncodedPool, Labels, Pool, Size, Source
from nas.data.split import held_out_count
from nas.errors import UserError

ENCODED_NOTE = "images stored as JPEG"


def open_set(path: Path, spec: DataSpec) -> Source:
    """The images of `path`; the test arrays are not read.

    Raises:
        UserError: unreadable, or a key that is missing or does not fit the others.
    """
    archive = _Archive(path)
    if not {"test_images", "test_jpeg"} & archive.keys:
        raise UserError(f"{path}: no test_images or test_jpeg; a test part is needed")
    train, size, channels = archive.part("train")
    classes = archive.classes(train.labels)
    held_out: Pool | int = held_out_count(train.labels)
    if {"val_images", "val_jpeg"} & archive.keys:
        held_out = archive.checked("val", channels, len(classes))
    archive.check_labels("train", train.labels, len(classes))
    side = spec.image
    wanted = size if side is None else (side, side)
    notes = [ENCODED_NOTE] if isinstance(train, EncodedPool) else []
    if wanted != size:
        notes.append(f"{size[1]}x{size[0]} images, resized to {wanted[1]}x{wanted[0]}")
    return Source(
        name=path.stem,
        classes=classes,
        size=wanted,
        train=train,
        held_out=held_out,
        test=lambda: archive.checked("test", channels, len(classes)),
        note="; ".join(notes),
    )


class _Archive:
    """An `.npz` file whose arrays are read one by one and checked; its images row by row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with arrays.opened(path) as archive:
                self.keys = frozenset(archive.names)
        except arrays.UNREADABLE as error:
            raise UserError(f"{path}: not an .npz file that can be read") from error

    def array(self, key: str) -> np.ndarray:
        if key not in self.keys:
            raise UserError(f"{self.path}: key {key!r} is missing")
        try:
            with arrays.opened(self.path) as archive:
                return archive[key]
        except arrays.UNREADABLE as error:
            raise UserError(f"{self.path}: {key} cannot be read ({error})") from error

    def part(self, part: str) -> tuple[Pool, Size, int]:
        """The images of `part`, the height and width of its first one, and its channels."""
        labels = self._integers(f"{part}_labels")
        if not labels.size:
            raise UserError(f"{self.path}: {part}_labels is empty")
        if f"{part}_jpeg" in self.keys:
            return self._encoded(part, labels)
        return self._pixels(part, labels)

    def checked(self, part: str, channels: int, classes: int) -> Pool:
        """The images of `part`, which must be of the same kind as the train images."""
        pool, _, found = self.part(part)
        if isinstance(pool, EncodedPool):
            pool = EncodedPool(pool.labels, channels, pool.encoded, pool.name)
        elif found != channels:
            raise UserError(f"{self.path}: {part} has {found} channels, train has {channels}")
        self.check_labels(part, pool.labels, classes)
        return pool

    def check_labels(self, part: str, labels: Labels, classes: int) -> None:
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= classes:
            wrong = low if low < 0 else high
            raise UserError(
                f"{self.path}: {part}_labels has {wrong}; labels are 0 to {classes - 1}"
            )

    def classes(self, labels: Labels) -> tuple[str, ...]:
        if "classes" in self.keys:
            return tuple(str(name) for name in self.array("classes").reshape(-1))
        return tuple(str(label) for label in range(int(labels.max()) + 1))

    def _stream(self, key: str) -> Member:
        if key not in self.keys:
            raise UserError(f"{self.path}: key {key!r} is missing")
        return Member(self.path, key)

    def _pixels(self, part: str, labels: Labels) -> tuple[Pool, Size, int]:
        pixels = self._stream(f"{part}_images")
        shape = pixels.shape
        grey = len(shape) == 3
        if pixels.dtype != np.uint8 or not (grey or (len(shape) == 4 and shape[3] in (1, 3))):
            raise UserError(
                f"{self.path}: {part}_images is {pixels.dtype} {list(shape)};"
                " it must be uint8 [n, height, width] or [n, height, width, 1 or 3]"
            )
        self._same_count(part, "images", shape[0], len(labels))
        whole = pixels if pixels.by_rows else self.array(f"{part}_images")
        pool = ArrayPool(whole, labels)
        return pool, (shape[1], shape[2]), pool.channels

    def _encoded(self, part: str, labels: Labels) -> tuple[Pool, Size, int]:
        data = self._stream(f"{part}_jpeg")
        offsets = self._integers(f"{part}_offsets")
        self._same_count(part, "offsets less one", len(offsets) - 1, len(labels))
        if data.dtype != np.uint8 or len(data.shape) != 1:
            raise UserError(f"{self.path}: {part}_jpeg is {data.dtype}; it must be uint8 [bytes]")
        if offsets[0] < 0 or offsets[-1] > data.shape[0] or bool((np.diff(offsets) < 0).any()):
            raise UserError(f"{self.path}: {part}_offsets do not rise within {data.shape[0]} bytes")

        def encoded(row: int) -> bytes:
            return data.between(int(offsets[row]), int(offsets[row + 1]))

        def name(row: int) -> str:
            return f"{self.path}: {part} image {row}"

        size, colour = decode_header(encoded(0), name(0))
        channels = 3 if colour else 1
        return EncodedPool(labels, channels, encoded, name), size, channels

    def _integers(self, key: str) -> Labels:
        values = self.array(key)
        if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
            raise UserError(f"{self.path}: {key} is {values.dtype}; it must be integers [n]")
        return values.astype(np.int64)

    def _same_count(self, part: str, what: str, found: int, labels: int) -> None:
        if found != labels:
            raise UserError(f"{self.path}: {part} has {labels} labels and {found} {what}")
