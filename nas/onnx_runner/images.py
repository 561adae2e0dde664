"""Image files to pixels, the same way in training, in `nas predict` and wherever an export runs."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from .errors import InputError

Pixels = npt.NDArray[np.uint8]

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
MOST_PIXELS = 40_000_000
"""Of one image once it is decoded: 160 MB, where a file of a few kilobytes can ask for any size."""

# What Pillow raises on files that are cut off, of another kind, or made to exhaust memory.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def decode(encoded: Path | bytes, name: str, channels: int, size: tuple[int, int]) -> Pixels:
    """Pixels uint8 [channels, height, width]: turned upright, shorter side resized, centre cut.

    Raises InputError where the bytes are no image that can be read; the message gives `name`.
    """
    try:
        with Image.open(BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as opened:
            if not opened.info.get("progressive"):  # of which all is kept, at whatever size
                opened.draft(None, size[::-1])  # large JPEGs decode at a half, a quarter, an eighth
            refuse_large(*opened.size)
            refuse_large(*covering(*opened.size, size[::-1]))  # of a line, gigabytes
            image = _of_channels(ImageOps.exif_transpose(opened), channels)
    except UNREADABLE as error:
        raise InputError(unreadable(name, error)) from error
    if (image.height, image.width) != size:
        height, width = covering(image.height, image.width, size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        top, left = (height - size[0]) // 2, (width - size[1]) // 2
        image = image.crop((left, top, left + size[1], top + size[0]))
    pixels = np.asarray(image, dtype=np.uint8).reshape(*size, channels)
    return pixels.transpose(2, 0, 1).copy()  # Pillow's own memory cannot be written to


def refuse_large(width: int, height: int) -> None:
    """Raise ValueError for an image whose pixels would fill the memory."""
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width}x{height} pixels, at most {MOST_PIXELS:,} fit")


def covering(height: int, width: int, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width that keep the proportions and just cover `size`."""
    scale = max(size[0] / height, size[1] / width)
    return max(size[0], round(height * scale)), max(size[1], round(width * scale))


def found(paths: Iterable[Path]) -> list[Path]:
    """The files among `paths`, and for a folder the image files in it, by name.

    Raises InputError for a path that does not exist and a folder without images.
    """
    return [image for path in paths for image in _images(path)]


def inside(folder: Path) -> list[Path]:
    """The image files of a folder, by name. Raises InputError where it has none."""
    images = sorted(
        each
        for each in folder.iterdir()
        if each.suffix.lower() in SUFFIXES and not each.name.startswith(".")
    )
    if not images:
        endings = " ".join(sorted(SUFFIXES))
        raise InputError(f"{folder}: no images in it; image files end in {endings}")
    return images


def unreadable(name: str, error: BaseException) -> str:
    """The line for an image that cannot be read."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"{name}: not a readable image ({reason})"


def _images(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path}: no such image file or folder")
    if not path.is_dir():
        return [path]
    return inside(path)


def _of_channels(image: Image.Image, channels: int) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits: Pillow's own conversion cuts at 255
        high = np.asarray(image).astype(np.int64) >> 8
        image = Image.fromarray(high.clip(0, 255).astype(np.uint8))
    return image.convert("L" if channels == 1 else "RGB")
