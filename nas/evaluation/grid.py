"""Images that are easy or hard for early exits, a row a class, as one picture."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS = 8
ROWS = 100  # classes; a picture of a thousand rows is none
_SIDE, _GAP, _TEXT = 64, 4, 14  # pixels
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
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", _TEXT)
    shown = classes[:ROWS]
    step = _SIDE + _GAP
    top = 2 * _TEXT + _GAP
    left = 3 * _GAP + int(max(font.getlength(_short(name)) for name in shown))
    size = (left + COLUMNS * step, top + len(shown) * step)
    picture = Image.new("RGB", (max(size[0], _LEAST), size[1]), "white")
    pen = ImageDraw.Draw(picture)
    pen.text((_GAP, _TEXT // 2), title, "black", font)
    of_class = labels.numpy()
    for row, name in enumerate(shown):
        y = top + row * step
        pen.text((_GAP, y + _SIDE // 2), _short(name), "black", font, anchor="lm")
        for column, number in enumerate(np.flatnonzero(chosen & (of_class == row))[:COLUMNS]):
            tile = Image.fromarray(_pixels(images[number].numpy()))
            # Small images show their pixels; larger ones are scaled down smoothly.
            how = Image.Resampling.BILINEAR if tile.width > _SIDE else Image.Resampling.NEAREST
            picture.paste(tile.resize((_SIDE, _SIDE), how), (left + column * step, y))
    drawn = BytesIO()
    picture.save(drawn, format="PNG")
    return drawn.getvalue()


def _pixels(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """From [channels, height, width] to what Pillow takes: [height, width] or [..., 3]."""
    return image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
