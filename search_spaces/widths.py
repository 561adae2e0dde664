"""Widths of a network: the decisions that are channel counts or multipliers, and their scaling."""

import math
from typing import TypeGuard

from search_spaces.architecture import Decision, Option
from search_spaces.errors import SpaceError

_DIGITS = 4  # significant ones of a scaled multiplier
_LEAST = 1e-4  # factor; networks so narrow or so wide are nobody's wish


def scaled_value(decision: Decision, value: Option, factor: float) -> Option:
    """Multiply a width and bring it back into what the decision admits.

    Whole numbers are rounded half up and stay above zero, multipliers are rounded to four
    significant digits.
    """
    if not _is_number(value):
        return value
    if isinstance(value, int) and not (decision.domain and decision.domain.kind == "float"):
        return fitted(decision, max(1, _half_up(value * factor)))
    return fitted(decision, float(f"{value * factor:.{_DIGITS}g}"))


def fitted(decision: Decision, value: Option) -> Option:
    """Return what a fixed network may have nearest to ``value``: an end of the domain beyond it.

    A decision without a domain has its options alone.
    """
    if decision.admits(value) or decision.has(value):
        return value
    domain = decision.domain
    if domain is None or isinstance(value, str | bool | None):
        return nearest_option(decision, value)
    end = min(max(value, domain.low), domain.high)
    return int(end) if domain.kind == "int" else end


def nearest_option(decision: Decision, value: Option) -> Option:
    """Return the option equal to ``value``, for a number the nearest one, else the first."""
    if decision.has(value):
        return decision.option(value)
    if not _is_number(value):
        return decision.options[0]
    numbers = [option for option in decision.options if _is_number(option)]
    return min(numbers, key=lambda o: abs(o - value), default=decision.options[0])


def _is_number(value: Option) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def refuse_factor(factor: float) -> None:
    """Raise SpaceError for a factor that no width is multiplied by."""
    if not _is_number(factor) or not _LEAST <= factor <= 1 / _LEAST:
        raise SpaceError(
            f"a width factor cannot be {factor!r}: a number from {_LEAST:g} to {1 / _LEAST:g}"
        )


def _half_up(value: float) -> int:
    return math.floor(value + 0.5)
