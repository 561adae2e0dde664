"""Milliseconds read from what benchmark programs print.

The summaries of LiteRT's ``benchmark_model`` and of ``onnxruntime_perf_test`` are read for their
least time: other work on the device only adds to a run. Both have changed their words over the
years; all are taken.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from latency.errors import LatencyError

UNITS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
"""Milliseconds in each unit: the names that a group of an expression of one's own may have."""

_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
# A line after the untimed runs and one after the timed ones, microseconds. Runs that all took the
# same time, or a single one, have a curr and no min. Lines of the profiler begin otherwise.
_COUNTED = re.compile(r"^(?!.*(?:Timings|Memory)).*\bcount=[1-9]\d* (.*\bcurr=.*)$", re.MULTILINE)
_FIELD = re.compile(rf"\b(\w+)=({_NUMBER})")
_LEAST = re.compile(rf"^Min Latency(?::| is)\s*({_NUMBER})\s*s(?:ec)?\s*$", re.MULTILINE)
_LINE = re.compile(rf"^\s*({_NUMBER})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Output:
    """What a program prints: how its milliseconds are found, and which statistic they are.

    ``find`` maps the text to milliseconds, one a timed run or one for all of them; none where
    there are none. ``hint`` says what the text should have had. With ``each``, every timed run
    must have its time.
    """

    find: Callable[[str], list[float]]
    statistic: str
    hint: str
    each: bool = False

    def read(self, text: str, repeats: int) -> list[float]:
        """Return the milliseconds of a text, either one or ``repeats``.

        Raises LatencyError, with the last line of the text, for any other number of them.
        """
        found, counts = self.find(text), (repeats,) if self.each else (1, repeats)
        if len(found) not in counts or not all(isfinite(ms) and ms > 0 for ms in found):
            last = (text.strip().splitlines() or ["nothing"])[-1].strip()[:120]
            raise LatencyError(
                f"{len(found)} times were found after {repeats} timed runs; there should be "
                f"{self.hint}; the output ends with: {last}"
            )
        return found


def expression(pattern: str) -> Output:
    """Return the output whose times an expression finds in a group named s, ms, us or ns.

    Raises ValueError for an expression without exactly one such group, and re.error for none.
    """
    compiled = re.compile(pattern, re.MULTILINE)
    units = list(compiled.groupindex)
    if len(units) != 1 or units[0] not in UNITS:
        raise ValueError(f"needs one group named {', '.join(UNITS)}, such as (?P<ms>[0-9.]+)")
    unit = units[0]

    def find(text: str) -> list[float]:
        try:
            return [float(match[unit] or "") * UNITS[unit] for match in compiled.finditer(text)]
        except ValueError:
            return []

    return Output(find, f"what the expression {pattern} finds", f"matches of {pattern}")


def _counted(text: str) -> list[float]:
    lines = _COUNTED.findall(text)
    if not lines:
        return []
    fields: dict[str, str] = dict(_FIELD.findall(lines[-1]))
    whole = float(fields.get("min", fields["curr"]))
    return [(whole or 0.5) * UNITS["us"]]  # less than one is half of one: no time is zero


def _least(text: str) -> list[float]:
    return [float(match[1]) * UNITS["s"] for match in _LEAST.finditer(text)][-1:]


def _lines(text: str) -> list[float]:
    return [float(match[1]) for match in _LINE.finditer(text)]


OUTPUTS = {
    "benchmark_model": Output(
        _counted,
        "least of the timed runs of each visit, in whole microseconds",
        "a line 'count=... curr=... min=...'",
    ),
    "onnxruntime_perf_test": Output(
        _least,
        "least of the timed runs of each visit",
        "a line 'Min Latency: ... s' (give it -s)",
    ),
    "lines": Output(_lines, "every timed run", "a line with a number of ms for each", each=True),
}
