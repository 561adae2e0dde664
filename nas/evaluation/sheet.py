"""A few images with what a network made of them, as one small picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas.evaluation.grid import GAP, SIDE, TEXT, font, tile

if TYPE_CHECKING:
    from PIL import Image as PillowImage

COLUMNS = 6
LIMIT = 50_000  # bytes
_WIDE = SIDE + 26  # room for the words below an image
_COLOURS = 64  # of a picture that would be too large
_RIGHT, _WRONG = (0, 114, 178), (213, 94, 0)  # Okabe-Ito: told apart by anybody


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image, uint8 [channels, height, width], its class, and the answer's confidence."""

    image: npt.NDArray[np.uint8]
    name: str
    confidence: float
    right: bool


def sheet(pictures: Sequence[Picture]) -> bytes:
    """Return a PNG of the images in rows of six, at most ``LIMIT`` bytes for a dozen of them.

    Below each stand its class, then a tick or a cross and the confidence of the answer.
    """
    from PIL import Image, ImageDraw

    letters = font(TEXT - 3)
    high = SIDE + 2 * TEXT + GAP
    columns = min(COLUMNS, len(pictures))
    rows = -(-len(pictures) // COLUMNS)
    drawn = Image.new("RGB", (columns * _WIDE, rows * high), "white")
    pen = ImageDraw.Draw(drawn)
    for number, each in enumerate(pictures):
        x, y = number % COLUMNS * _WIDE, number // COLUMNS * high
        drawn.paste(tile(each.image), (x + (_WIDE - SIDE) // 2, y))
        name = each.name
        while letters.getlength(name) > _WIDE - GAP:
            name = f"{name.rstrip('…')[:-1]}…"
        middle = x + _WIDE // 2
        pen.text((middle, y + SIDE + TEXT // 2), name, "black", letters, anchor="mm")
        answer = f"{'✓' if each.right else '✗'} {each.confidence:.3f}"
        colour = _RIGHT if each.right else _WRONG
        pen.text((middle, y + SIDE + 3 * TEXT // 2), answer, colour, letters, anchor="mm")
    data = _png(drawn)
    return data if len(data) <= LIMIT else _png(drawn.quantize(_COLOURS))


def _png(picture: "PillowImage.Image") -> bytes:
    written = BytesIO()
    picture.save(written, format="PNG", optimize=True)
    return written.getvalue()
