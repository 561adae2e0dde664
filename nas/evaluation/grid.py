"""Images that are easy or hard for early exits, a row a class, as one picture."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image as PillowImage
    from PIL.ImageFont import FreeTypeFont
    from torch import Tensor

COLUMNS = 8
ROWS = 100  # classes; a picture of a thousand rows is none
SIDE, GAP, TEXT = 64, 4, 14  # pixels
_LEAST = 560  # wide enough for the title
_LETTERS = 18  # that fit beside the images


def grid(
    images: "Tensor",
    labels: "Tensor",
    chosen: npt.NDArray[np.bool_],
    classes: Sequence[str],
    title: str,
) -> bytes:
    """A PNG of up to eight `chosen` images of every class, the first of the data, named.

    images: uint8 [n, channels, height, width], grey or colour; labels: int64 [n]; chosen: [n].
    A class without any has an empty row; classes beyond a hundred are left out.
    """
    from PIL import Image, ImageDraw

    letters = font(TEXT)
    shown = classes[:ROWS]
    step = SIDE + GAP
    top = 2 * TEXT + GAP
    left = 3 * GAP + int(max(letters.getlength(_short(name)) for name in shown))
    size = (left + COLUMNS * step, top + len(shown) * step)
    picture = Image.new("RGB", (max(size[0], _LEAST), size[1]), "white")
    pen = ImageDraw.Draw(picture)
    pen.text((GAP, TEXT // 2), title, "black", letters)
    of_class = labels.numpy()
    for row, name in enumerate(shown):
        y = top + row * step
        pen.text((GAP, y + SIDE // 2), _short(name), "black", letters, anchor="lm")
        for column, number in enumerate(np.flatnonzero(chosen & (of_class == row))[:COLUMNS]):
            picture.paste(tile(images[number].numpy()), (left + column * step, y))
    drawn = BytesIO()
    picture.save(drawn, format="PNG")
    return drawn.getvalue()


def font(height: int) -> "FreeTypeFont":
    """The letters of pictures, `height` in pixels."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", height)


def tile(image: npt.NDArray[np.uint8]) -> "PillowImage.Image":
    """An image, [channels, height, width], `SIDE` pixels wide and high."""
    from PIL import Image

    drawn = Image.fromarray(_pixels(image))
    # Small images show their pixels; larger ones are scaled down smoothly.
    how = Image.Resampling.BILINEAR if drawn.width > SIDE else Image.Resampling.NEAREST
    return drawn.resize((SIDE, SIDE), how)


def _pixels(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """From [channels, height, width] to what Pillow takes: [height, width] or [..., 3]."""
    return image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
