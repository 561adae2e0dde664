"""Architectures as sequences of tokens, one a decision, as a policy reads and writes them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from controllers.discretise import axes
from controllers.encoding import forget

if TYPE_CHECKING:
    from controllers.protocols import Keyed, Space


MADE = 5000
"""Rows of tokens whose architectures are remembered: a policy repeats itself."""


class Vocabulary:
    """Turns architectures of one space into tokens and back."""

    def __init__(self, space: "Space") -> None:
        self._space = space
        self._axes = axes(dict(space.distributions()))
        self.options = tuple(len(axis.options) for axis in self._axes)
        self._made: dict[tuple[int, ...], Keyed] = {}
        self._read: dict[Keyed, tuple[np.ndarray, np.ndarray]] = {}

    def architectures(self, tokens: np.ndarray) -> "list[Keyed]":
        """The canonical architectures of rows of tokens [n, decisions], each row once."""
        return [self._architecture(row) for row in dict.fromkeys(map(tuple, tokens.tolist()))]

    def _architecture(self, row: tuple[int, ...]) -> "Keyed":
        made = self._made.get(row)
        if made is None:
            if len(self._made) >= MADE:
                self._made.clear()
            made = self._made[row] = self._space.architecture(self.choices(row))
        return made

    def choices(self, tokens: Sequence[int]) -> dict[str, Any]:
        """The option of every decision that a row of tokens stands for."""
        pairs = zip(self._axes, tokens, strict=True)
        return {axis.name: axis.options[token] for axis, token in pairs}

    def matters(self, tokens: Sequence[int]) -> bool:
        """Whether the decision after these tokens matters."""
        # Conditions only ever look back, so any option will do for a decision to come.
        to_come = [0] * (len(self._axes) - len(tokens))
        active = self._space.active(self.choices([*tokens, *to_come]))
        return self._axes[len(tokens)].name in active

    def __call__(self, architectures: "Sequence[Keyed]") -> tuple[np.ndarray, np.ndarray]:
        """Tokens int64 [n, decisions], and bool [n, decisions]: which decisions matter."""
        rows = [self._row(architecture) for architecture in architectures]
        shape = (len(rows), len(self._axes))
        return (
            np.array([row[0] for row in rows], dtype=np.int64).reshape(shape),
            np.array([row[1] for row in rows], dtype=bool).reshape(shape),
        )

    def _row(self, architecture: "Keyed") -> tuple[np.ndarray, np.ndarray]:
        row = self._read.get(architecture)
        if row is None:
            forget(self._read)
            chosen = self._space.parameters(architecture)
            active = self._space.active(chosen)
            row = self._read[architecture] = (
                np.array([axis.index(chosen[axis.name]) for axis in self._axes]),
                np.array([axis.name in active for axis in self._axes]),
            )
        return row
