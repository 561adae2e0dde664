"""A search space made of distributions alone, for studies that bring no space of their own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

from controllers.discretise import Axis, axes


@dataclass(frozen=True, slots=True)
class Point:
    """One option of every decision, by index."""

    tokens: tuple[int, ...]

    @property
    def key(self) -> str:
        return ",".join(map(str, self.tokens))


class PlainSpace:
    """Every combination of the options is an architecture, and every decision always matters.

    Ranges of numbers become at most `discretise.GRID` options.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self._distributions = dict(distributions)
        self.axes: tuple[Axis, ...] = axes(self._distributions)

    def distributions(self) -> Mapping[str, BaseDistribution]:
        return self._distributions

    def active(self, choices: Mapping[str, Any]) -> frozenset[str]:
        return frozenset(self._distributions)

    def architecture(self, choices: Mapping[str, Any]) -> Point:
        return Point(tuple(axis.index(choices[axis.name]) for axis in self.axes))

    def parameters(self, architecture: Point) -> dict[str, Any]:
        pairs = zip(self.axes, architecture.tokens, strict=True)
        return {axis.name: axis.options[token] for axis, token in pairs}

    def encode(self, architecture: Point) -> np.ndarray:
        code = np.zeros(self._columns, dtype=np.float32)
        code[self._first + np.array(architecture.tokens, dtype=int)] = 1.0
        return code

    def mutate(self, architecture: Point, rng: np.random.Generator) -> Point:
        movable = [at for at, axis in enumerate(self.axes) if len(axis.options) > 1]
        if not movable:
            return architecture
        at = movable[rng.integers(len(movable))]
        # One of the other options: the ones from the present one on move up by one.
        token = int(rng.integers(len(self.axes[at].options) - 1))
        return self._moved(architecture, at, token + (token >= architecture.tokens[at]))

    def neighbours(self, architecture: Point) -> Iterator[Point]:
        for at, axis in enumerate(self.axes):
            for token in range(len(axis.options)):
                if token != architecture.tokens[at]:
                    yield self._moved(architecture, at, token)

    def _moved(self, architecture: Point, at: int, token: int) -> Point:
        tokens = architecture.tokens
        return Point((*tokens[:at], token, *tokens[at + 1 :]))

    @cached_property
    def _first(self) -> np.ndarray:
        counts = [len(axis.options) for axis in self.axes]
        return np.cumsum([0, *counts[:-1]])

    @cached_property
    def _columns(self) -> int:
        return sum(len(axis.options) for axis in self.axes)
