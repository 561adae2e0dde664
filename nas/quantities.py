"""Numbers with their units, as users write them."""

import math
import re
from collections.abc import Mapping

from nas.errors import UserError

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-z]*)")
_SECONDS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
ROUNDING = 1e-9
"""Relative: 16.1k is not quite 16100 to a computer."""
_THOUSANDS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}


def duration_s(value: str | float) -> float:
    """Seconds in '2h', '90s', '15m' or a plain number of seconds.

    Raises UserError for zero, a negative number or a word without a unit.
    """
    return _quantity(value, _SECONDS, "a duration such as 90s, 15m or 2h", ", with its unit")


def latency_ms(value: str | float) -> float:
    """Milliseconds in '2ms', '1.5 ms', '800us' or a plain number of milliseconds.

    Raises UserError for zero, a negative number or a word without a unit.
    """
    return _quantity(value, _MILLISECONDS, "a latency such as 2ms or 800us", ", with its unit")


def count(value: str | float) -> int:
    """Parameters or MACs in '2M', '500k', '1.5G' or a plain number.

    Raises UserError for what is below 1 or no whole number.
    """
    wanted = "a number such as 2M, 500k or 20000"
    found = _quantity(value, _THOUSANDS, wanted)
    if abs(found - round(found)) > ROUNDING * found:
        raise UserError(f"{value!r} is not {wanted}: it has a fraction")
    return round(found)


def _quantity(
    value: str | float, units: Mapping[str, float], wanted: str, beside: str = ""
) -> float:
    if isinstance(value, str):
        match = _QUANTITY.fullmatch(value.strip().lower())
        number = float(match[1]) * units[match[2]] if match and match[2] in units else math.nan
    else:
        number = math.nan if isinstance(value, bool) else float(value)
    if not (math.isfinite(number) and number > 0):
        raise UserError(f"{value!r} is not {wanted} (more than zero{beside})")
    return number
