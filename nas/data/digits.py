"""The bundled default: scikit-learn's 1,797 handwritten digits of 8x8 pixels."""

from pathlib import Path

import numpy as np

from nas.data.dataset import DataSpec
from nas.data.pools import ArrayPool, Source
from nas.data.split import draw, rest

TEST, HELD_OUT = 397, 500  # 900 remain to train on
DEFAULT_IMAGE = 32  # what the networks of the literature are drawn for
BRIGHTEST = 16


def files(spec: DataSpec) -> list[Path]:
    """The file that scikit-learn brings the images in."""
    from sklearn import datasets

    return [Path(datasets.__file__).parent / "data" / "digits.csv.gz"]


def open_set(spec: DataSpec) -> Source:
    """All images; the 397 test images never depend on the seed, so no search can meet them."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.round(bunch.images * (255 / BRIGHTEST)).astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    test = draw(labels, TEST, np.random.default_rng(0))
    others = rest(len(labels), test)
    side = spec.image or DEFAULT_IMAGE
    return Source(
        name="digits",
        classes=tuple(str(digit) for digit in range(10)),
        size=(side, side),
        train=ArrayPool(pixels[others], labels[others]),
        held_out=HELD_OUT,
        test=lambda: ArrayPool(pixels[test], labels[test]),
        note="" if side == 8 else f"8x8 digits, resized bilinearly to {side}x{side}",
    )
