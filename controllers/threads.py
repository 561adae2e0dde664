"""Sums in one order: linear algebra on one thread, whatever the machine has."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import scipy.linalg  # noqa: F401  (the libraries to limit have to be loaded before they are found)
from threadpoolctl import ThreadpoolController

ALONE = threading.RLock()
"""Held while the number of threads is not the user's: it belongs to the whole process."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Run numpy's and scipy's linear algebra on one thread; then as before.

    Several threads add up in another order, and the last bits of a sum decide between two
    candidates that promise the same.
    """
    with ALONE, _libraries().limit(limits=1):
        yield


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
