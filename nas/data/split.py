"""Which images are held out: drawn by a seed, every class in proportion."""

import numpy as np

from nas.data.pools import Labels, Rows
from nas.errors import UserError

HELD_OUT_PART = 5  # one image in five ...
HELD_OUT_MOST = 5000  # ... up to the 5,000 that MSDNet holds out of CIFAR's 50,000


def held_out_count(labels: Labels) -> int:
    """How many of a set's train images judge the trials; one of each class at least."""
    return max(min(len(labels) // HELD_OUT_PART, HELD_OUT_MOST), len(np.unique(labels)))


def draw(labels: Labels, count: int, rng: np.random.Generator) -> Rows:
    """`count` rows in ascending order, each class in proportion and with at least one.

    Raises:
        UserError: fewer rows than classes, or more rows than there are.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if not len(classes) <= count <= len(labels):
        raise UserError(
            f"{count} images of {len(classes)} classes: between {len(classes)}"
            f" and {len(labels)} can be drawn"
        )
    quotas = _quotas(sizes, count)
    chosen = [
        rng.permutation(np.flatnonzero(labels == label))[:quota]
        for label, quota in zip(classes, quotas, strict=True)
    ]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def rest(count: int, rows: Rows) -> Rows:
    """The rows of 0..count-1 that are not in `rows`."""
    return np.setdiff1d(np.arange(count, dtype=np.int64), rows, assume_unique=True)


def _quotas(sizes: np.ndarray, count: int) -> np.ndarray:
    """Largest remainders; a class that would get none takes one from the fullest."""
    exact = sizes * (count / sizes.sum())
    quotas: np.ndarray = np.floor(exact).astype(np.int64)
    missing = count - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:missing]] += 1
    for empty in np.flatnonzero(quotas == 0):
        quotas[np.argmax(quotas)] -= 1
        quotas[empty] += 1
    return quotas
