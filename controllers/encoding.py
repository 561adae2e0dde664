"""Architectures as rows of numbers in which like networks are near one another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from controllers.discretise import options

if TYPE_CHECKING:
    from controllers.protocols import Keyed, Space

Measure = Callable[[Any], Sequence[float]]
"""Positive numbers known of an architecture before it is trained, always as many."""

REMEMBERED = 20_000
"""Architectures of which something is kept: far more than one proposal looks at."""
ORDERED = 0.5
"""Of a decision whose options are numbers: how much their order says, beside whether they equal."""


@dataclass(frozen=True, slots=True)
class Features:
    """Rows of architectures.

    choices: float64 [n, columns]; the columns of one decision have a squared length of 1, and two
    architectures' product over them is 1 where they agree, 0 (or, for numbers, less the further
    they are apart) where they do not. decision: int [columns], which decision a column is of.
    measures: float64 [n, measures], numbers known before training, such as log MACs.
    """

    choices: np.ndarray
    decision: np.ndarray
    measures: np.ndarray

    def __getitem__(self, rows: Any) -> "Features":
        return Features(self.choices[rows], self.decision, self.measures[rows])

    def __len__(self) -> int:
        return len(self.choices)


def forget(remembered: dict[Any, Any]) -> None:
    """Drop the older half of what is remembered, where it has become too much."""
    if len(remembered) >= REMEMBERED:
        for key in list(remembered)[: REMEMBERED // 2]:
            del remembered[key]


def joined(one: Features, other: Features) -> Features:
    """The rows of both."""
    return Features(
        np.concatenate([one.choices, other.choices]),
        one.decision,
        np.concatenate([one.measures, other.measures]),
    )


class Encoder:
    """Turns architectures of one space into features; remembers each architecture's row.

    measure: numbers known of an architecture before it is trained, or None.
    """

    def __init__(self, space: "Space", measure: "Measure | None" = None) -> None:
        self._space, self._measure = space, measure
        maps = [_columns(each) for each in space.distributions().values()]
        self._maps = maps
        self.decision = np.repeat(np.arange(len(maps)), [part.shape[1] for part in maps])
        self._first = np.cumsum([0, *(len(part) - 1 for part in maps)])
        # Not by key: equal networks may be different choices, and what is met first is chance.
        self._rows: dict[Keyed, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, architectures: "Sequence[Keyed]") -> Features:
        rows = [self._row(architecture) for architecture in architectures]
        return Features(
            np.array([row[0] for row in rows]).reshape(len(rows), len(self.decision)),
            self.decision,
            np.array([row[1] for row in rows]).reshape(len(rows), -1),
        )

    def _row(self, architecture: "Keyed") -> tuple[np.ndarray, np.ndarray]:
        row = self._rows.get(architecture)
        if row is None:
            forget(self._rows)
            row = self._rows[architecture] = (
                self._choices(architecture),
                self._measures(architecture),
            )
        return row

    def _choices(self, architecture: "Keyed") -> np.ndarray:
        code = self._space.encode(architecture)
        parts = []
        for first, part in zip(self._first, self._maps, strict=False):
            one_hot = code[first : first + len(part) - 1]
            # The last row stands for a decision that is inactive.
            parts.append(part[int(one_hot.argmax()) if one_hot.any() else len(part) - 1])
        return np.concatenate(parts)

    def _measures(self, architecture: "Keyed") -> np.ndarray:
        if self._measure is None:
            return np.zeros(0)
        numbers = np.asarray(self._measure(architecture), dtype=float)
        return np.asarray(np.log(np.maximum(numbers, 1e-12)))


def _columns(distribution: BaseDistribution) -> np.ndarray:
    """The columns of one decision for each of its options, and last for being inactive."""
    listed = options(distribution)
    count = len(listed)
    equal = np.eye(count + 1)
    if count < 3 or not _ordered(distribution, listed):
        return equal
    # A thermometer: two options agree in all but as many marks as they are apart.
    marks = np.tril(np.ones((count, count - 1)), -1)
    order = np.zeros((count + 1, 2 * (count - 1) + 1))
    order[:count, :-1] = np.hstack([marks, 1 - marks]) / np.sqrt(count - 1)
    order[count, -1] = 1
    return np.hstack([np.sqrt(1 - ORDERED) * equal, np.sqrt(ORDERED) * order])


def _ordered(distribution: BaseDistribution, listed: tuple[Any, ...]) -> bool:
    """Whether the options are numbers that rise or fall."""
    if not isinstance(distribution, CategoricalDistribution):
        return True
    if any(isinstance(option, bool) or not isinstance(option, int | float) for option in listed):
        return False
    return list(listed) in (sorted(listed), sorted(listed, reverse=True))
