"""One image file to pixels."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from nas.data.resize import covering
from nas.errors import UserError

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B"})
TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width
ORIENTATION = 0x0112
# What Pillow raises on files that are cut off, of another kind, or made to exhaust memory.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def decode(
    encoded: Path | bytes, name: str, channels: int, size: tuple[int, int]
) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Pixels uint8 [channels, height, width]: turned upright, shorter side resized, centre cut.

    Raises:
        UserError: the bytes are no image that can be read; the message gives `name`.
    """
    try:
        with Image.open(BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as opened:
            opened.draft(None, size[::-1])  # large JPEGs decode at a half, a quarter or an eighth
            image = _of_channels(ImageOps.exif_transpose(opened), channels)
    except UNREADABLE as error:
        raise UserError(f"{name}: not a readable image ({_one_line(error)})") from error
    if (image.height, image.width) != size:
        height, width = covering(image.height, image.width, size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        top, left = (height - size[0]) // 2, (width - size[1]) // 2
        image = image.crop((left, top, left + size[1], top + size[0]))
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def decode_header(encoded: Path | bytes, name: str) -> tuple[tuple[int, int], bool]:
    """Upright (height, width) and whether it is a colour image, without decoding the pixels.

    Raises:
        UserError: it is no image; the message gives `name`.
    """
    try:
        with Image.open(BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as image:
            turned = image.getexif().get(ORIENTATION) in TURNED
            size = (image.width, image.height) if turned else (image.height, image.width)
            return size, image.mode not in GREY_MODES
    except UNREADABLE as error:
        raise UserError(f"{name}: not a readable image ({_one_line(error)})") from error


def _of_channels(image: Image.Image, channels: int) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits: Pillow's own conversion cuts at 255
        high = np.asarray(image).astype(np.int64) >> 8
        image = Image.fromarray(high.clip(0, 255).astype(np.uint8))
    return image.convert("L" if channels == 1 else "RGB")


def _one_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
