"""Memory for the tensors of blocks that run one after another, reused as in a whole network."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

ALIGNMENT = 64
"""Bytes of a cache line: where the tensors of runtimes begin."""


class Memory:
    """Lends memory to tensors by name, and lends it again once their last reader has read them.

    Args:
        reads: the names that each block reads, in the order in which blocks run.
        kept: names of tensors that are never written over.
    """

    def __init__(self, reads: Iterable[Sequence[str]], kept: Collection[str]) -> None:
        self._readers = Counter(name for names in reads for name in set(names))
        self._kept = frozenset(kept)
        self._lent: dict[str, Array] = {}
        self._free: list[Array] = []

    def take(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return memory for a tensor: the smallest that is free and large enough, or new one."""
        size = int(np.prod(shape))
        fitting = [index for index, each in enumerate(self._free) if each.size >= size]
        if fitting:
            memory = self._free.pop(min(fitting, key=lambda index: self._free[index].size))
        else:
            memory = aligned((size,))
        if name not in self._kept:
            self._lent[name] = memory
        return memory[:size].reshape(shape)

    def read(self, names: Sequence[str]) -> None:
        """Note that the next block has read these tensors."""
        for name in set(names):
            self._readers[name] -= 1
            if not self._readers[name] and name in self._lent:
                self._free.append(self._lent.pop(name))


def aligned(shape: tuple[int, ...]) -> Array:
    """Return zeros that begin at a cache line."""
    size = int(np.prod(shape)) * 4
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(np.float32).reshape(shape)
