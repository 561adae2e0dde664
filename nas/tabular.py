"""Searches over a table of networks that were all trained and measured before: seconds, not days.

A table is a numpy ``.npz`` file without pickled objects. One array [rows, decisions] names the
choices of each network; every other array [rows] is a column of figures: accuracies (one column a
seed), latencies of devices in ms, seconds of training. Rows may have the same network in other
words: a column of class numbers or names says so. Choices that the table lacks stand for the
nearest row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from controllers.plain_space import PlainSpace
from controllers.plain_space import Point as Choices
from nas import arrays
from nas.errors import UserError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_LARGEST = 2**30  # bytes
CLAMP = 0.01
"""Latencies below this share of the median count as that: networks that compute nothing."""


class Table:
    """The columns of a table file. Raises UserError for a file that is none."""

    def __init__(self, path: Path) -> None:
        try:
            with arrays.opened(path, _LARGEST) as found:
                self._columns: dict[str, NDArray[Any]] = {n: found[n] for n in found.names}
        except arrays.UNREADABLE as error:
            raise UserError(f"{path} is no table (a numpy .npz file): {error}") from None
        self.path = path

    @property
    def names(self) -> tuple[str, ...]:
        """Of all arrays."""
        return tuple(self._columns)

    def has_numbers(self, name: str) -> bool:
        """Whether an array is a column of finite numbers [rows]."""
        found = self._named(name)
        numbers = found.ndim == 1 and np.issubdtype(found.dtype, np.number)
        return bool(numbers and np.isfinite(found.astype(np.float64)).all())

    def rows(self, name: str) -> int:
        """Return how many rows an array has. Raises UserError where there is none."""
        shape = self._named(name).shape
        return shape[0] if shape else 0

    def choices(self, name: str) -> NDArray[Any]:
        """Return the choices [rows, decisions]. Raises UserError where there are none."""
        found = self._named(name)
        if found.ndim != 2:
            raise UserError(f"{self.path}: {name} is no array of choices [rows, decisions]")
        return found

    def column(self, name: str, gaps: bool = False) -> NDArray[np.float64]:
        """Return a column of finite numbers [rows]; ``gaps``: some may be missing (NaN).

        Raises UserError where there is none.
        """
        found = self._named(name)
        if found.ndim != 1 or not np.issubdtype(found.dtype, np.number):
            raise UserError(f"{self.path}: {name} is no column of numbers [rows]")
        values: NDArray[np.float64] = found.astype(np.float64)
        if not gaps and not np.isfinite(values).all():
            raise UserError(
                f"{self.path}: {name} is not finite in {(~np.isfinite(values)).sum()} rows"
            )
        return values

    def classes(self, name: str) -> NDArray[Any]:
        """Return a column of numbers or texts [rows] as they are kept, to tell rows apart.

        Raises UserError where there is none.
        """
        found = self._named(name)
        # Not as float64, in which integers beyond 2^53 become equal.
        if found.ndim == 1 and found.dtype.kind in "biuUS":
            return found
        return self.column(name)

    def latency(self, name: str) -> NDArray[np.float64]:
        """Return a column of latencies, those near zero raised to 1 % of the median."""
        found = self.column(name)
        raised: NDArray[np.float64] = np.maximum(found, CLAMP * np.median(found))
        return raised

    def _named(self, name: str) -> NDArray[Any]:
        if name not in self._columns:
            there = ", ".join(sorted(self._columns))
            raise UserError(f"{self.path} has no array {name!r}: it has {there}")
        return self._columns[name]


@dataclass(frozen=True, slots=True)
class Row:
    """A network of the table: the first row that has it."""

    number: int

    @property
    def key(self) -> str:
        return str(self.number)


class TableSpace:
    """The networks of a table as a search space (``controllers.protocols.Space``).

    choices: [rows, decisions], texts or numbers; numbers that stand for operators are none that
    could be ordered, so all are taken as texts. same: [rows], equal for rows with the same network,
    whose neighbours are those of all its spellings.
    """

    def __init__(self, choices: NDArray[Any], same: NDArray[Any] | None = None) -> None:
        from optuna.distributions import CategoricalDistribution

        words = choices.astype(str)
        listed = [_in_order(words[:, at]) for at in range(words.shape[1])]
        self._plain = PlainSpace(
            {f"choice{at}": CategoricalDistribution(texts) for at, texts in enumerate(listed)}
        )
        self._tokens = np.stack(
            [_indices(words[:, at], texts) for at, texts in enumerate(listed)], axis=1
        )
        rows = self._tokens if same is None else np.asarray(same)
        _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        self.canonical: NDArray[np.int64] = first[inverse.reshape(-1)]
        """Of each row the first one with the same network."""
        self._spellings: dict[int, list[int]] = {}
        for at, row in enumerate(self.canonical.tolist()):
            self._spellings.setdefault(row, []).append(at)
        self._row = {
            tuple(tokens): at for at, tokens in reversed(list(enumerate(self._tokens.tolist())))
        }

    def distributions(self) -> "Mapping[str, BaseDistribution]":
        return self._plain.distributions()

    def active(self, choices: Mapping[str, Any]) -> frozenset[str]:
        return self._plain.active(choices)

    def architecture(self, choices: Mapping[str, Any]) -> Row:
        return self._found(self._plain.architecture(choices))

    def parameters(self, architecture: Row) -> dict[str, Any]:
        return self._plain.parameters(self._choices(architecture))

    def encode(self, architecture: Row) -> NDArray[np.float32]:
        return self._plain.encode(self._choices(architecture))

    def mutate(self, architecture: Row, rng: np.random.Generator) -> Row:
        spellings = self._spellings[architecture.number]
        for _ in range(32):
            spelling = Row(spellings[rng.integers(len(spellings))])
            mutant = self._found(self._plain.mutate(self._choices(spelling), rng))
            if mutant != architecture:
                return mutant
        # In a sparse table all that lies around may stand for the row itself.
        near = list(self.neighbours(architecture))
        return near[rng.integers(len(near))] if near else architecture

    def neighbours(self, architecture: Row) -> Iterator[Row]:
        seen = {architecture}
        for spelling in map(Row, self._spellings[architecture.number]):
            for point in self._plain.neighbours(self._choices(spelling)):
                found = self._found(point)
                if found not in seen:
                    seen.add(found)
                    yield found
        if len(seen) == 1:
            yield from self._nearest(architecture)

    def _nearest(self, architecture: Row) -> Iterator[Row]:
        """The other rows that differ in fewest choices."""
        apart = (self._tokens != self._tokens[architecture.number]).sum(axis=1)
        others = self.canonical != architecture.number
        if others.any():
            nearest = others & (apart == apart[others].min())
            yield from map(Row, np.unique(self.canonical[nearest]).tolist())

    def _choices(self, architecture: Row) -> Choices:
        return Choices(tuple(self._tokens[architecture.number].tolist()))

    def _found(self, point: Choices) -> Row:
        at = self._row.get(point.tokens)
        if at is None:
            at = int((self._tokens != np.array(point.tokens)).sum(axis=1).argmin())
        return Row(int(self.canonical[at]))


def _in_order(column: NDArray[Any]) -> tuple[str, ...]:
    return tuple(np.unique(column).tolist())


def _indices(column: NDArray[Any], texts: Sequence[str]) -> NDArray[np.int64]:
    return np.searchsorted(np.array(texts), column)
