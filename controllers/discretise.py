"""Optuna distributions as finite lists of options, for controllers that choose among tokens."""

import math
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

GRID = 16
"""Options at most of a number's range; finer ranges are covered evenly, both ends included."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One decision: its name, distribution and options, all of them inside the distribution."""

    name: str
    distribution: BaseDistribution
    options: tuple[Any, ...]

    def index(self, value: Any) -> int:
        """The option that stands for `value`: itself, or the nearest number."""
        if isinstance(self.distribution, CategoricalDistribution):
            return int(self.distribution.to_internal_repr(value))
        scale = math.log if _is_log(self.distribution) else float
        gaps = [abs(scale(option) - scale(value)) for option in self.options]
        return gaps.index(min(gaps))


def axes(search_space: dict[str, BaseDistribution]) -> tuple[Axis, ...]:
    """One axis a distribution, in the order given."""
    return tuple(Axis(name, dist, options(dist)) for name, dist in search_space.items())


def options(distribution: BaseDistribution) -> tuple[Any, ...]:
    """All values of a small range, `GRID` evenly spaced ones of a large or continuous one.

    Evenly in the logarithm, if the distribution is logarithmic; Python numbers, never numpy's.

    Raises:
        TypeError: a kind of distribution that Optuna does not have today.
    """
    if isinstance(distribution, CategoricalDistribution):
        return tuple(distribution.choices)
    if isinstance(distribution, IntDistribution):
        low, step = distribution.low, distribution.step
        return tuple(low + step * k for k in _steps(low, distribution.high, step, distribution.log))
    if isinstance(distribution, FloatDistribution):
        return _floats(distribution)
    raise TypeError(f"no options for a {type(distribution).__name__}")


def _floats(distribution: FloatDistribution) -> tuple[float, ...]:
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is None:
        values = _spread(low, high, GRID, distribution.log)
    else:
        # A multiple of the step can pass the end by a rounding error.
        values = [min(high, low + step * k) for k in _steps(low, high, step, log=False)]
    return tuple(dict.fromkeys(values))


def _steps(low: float, high: float, step: float, log: bool) -> list[int]:
    count = round((high - low) / step) + 1
    if count <= GRID:
        return list(range(count))
    spread = _spread(low, high, GRID, log)
    return list(dict.fromkeys(round((value - low) / step) for value in spread))


def _spread(low: float, high: float, count: int, log: bool) -> list[float]:
    if log:
        inner = [math.exp(value) for value in _spread(math.log(low), math.log(high), count, False)]
    else:
        inner = [low + (high - low) * k / (count - 1) for k in range(count)]
    # The ends exactly, whatever the arithmetic between them rounds to.
    return [low, *(min(high, max(low, value)) for value in inner[1:-1]), high]


def _is_log(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, IntDistribution | FloatDistribution) and distribution.log
