"""One image file to pixels."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from nas.errors import UserError
from nas.onnx_runner import images
from nas.onnx_runner.errors import InputError

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B"})
TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width
ORIENTATION = 0x0112


def decode(
    encoded: Path | bytes, name: str, channels: int, size: tuple[int, int]
) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Pixels uint8 [channels, height, width]: turned upright, shorter side resized, centre cut.

    Raises:
        UserError: the bytes are no image that can be read; the message gives `name`.
    """
    try:
        return images.decode(encoded, name, channels, size)
    except InputError as error:
        raise UserError(str(error)) from error


def decode_header(encoded: Path | bytes, name: str) -> tuple[tuple[int, int], bool]:
    """Upright (height, width) and whether it is a colour image, without decoding the pixels.

    Raises:
        UserError: it is no image; the message gives `name`.
    """
    try:
        with Image.open(BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as image:
            if image.format != "JPEG":  # which may be decoded at an eighth
                images.refuse_large(*image.size)  # EXIF of a PNG may stand behind its pixels
            turned = image.getexif().get(ORIENTATION) in TURNED
            size = (image.width, image.height) if turned else (image.height, image.width)
            return size, image.mode not in GREY_MODES
    except images.UNREADABLE as error:
        raise UserError(images.unreadable(name, error)) from error
