"""A few small images, which a fresh process reads without the seconds that scikit-learn takes.

python -m tests.nas.small_set writes them anew: four classes, each brighter in its own quarter.
"""

from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("small_set.npz")
CLASSES, SIDE = 4, 8
IMAGES = {"train": 100, "test": 20}


def write() -> None:
    """Write the file, the same every time."""
    rng = np.random.default_rng(0)
    half, arrays = SIDE // 2, {}
    for part, count in IMAGES.items():
        labels = np.arange(count) % CLASSES
        images = rng.integers(0, 160, (count, SIDE, SIDE))
        for image, label in zip(images, labels, strict=True):
            row, column = divmod(int(label), 2)
            image[row * half : (row + 1) * half, column * half : (column + 1) * half] += 90
        arrays |= {f"{part}_images": images.astype(np.uint8), f"{part}_labels": labels}
    np.savez_compressed(PATH, **arrays)


if __name__ == "__main__":
    write()
