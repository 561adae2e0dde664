"""What the pages take for granted: a folder of own images, and a few pictures."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

CLASSES = ("cat", "dog", "parrot")
PARTS = {"train": 30, "test": 10}


def prepared(folder: Path) -> None:
    """Write pets/train|test/CLASS/*.png and pictures/, scikit-learn's digits in all of them.

    And the folder of the checkout that the front page's picture is in.
    """
    (folder / "results" / "reference").mkdir(parents=True)
    digits = load_digits()
    for label, name in enumerate(CLASSES):
        images = digits.images[digits.target == label]
        for part, count in PARTS.items():
            first = 0 if part == "train" else PARTS["train"]
            for number, pixels in enumerate(images[first : first + count]):
                _write(pixels, folder / "pets" / part / name / f"{number:02d}.png")
    for name, row in {"seven": 7, "three": 3, "more/one": 1, "more/two": 2}.items():
        _write(digits.images[row], folder / "pictures" / f"{name}.png")


def _write(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels * 255 / 16).round().astype(np.uint8)).save(path)
