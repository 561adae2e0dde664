"""How commands speak: results on standard output, everything else on standard error."""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from nas.onnx_runner.terminal import printable

_WIDE = 10_000
"""Columns where the output is no terminal: whoever reads a pipe wants whole lines."""


def show_json(value: Any) -> None:
    """Print a JSON document to standard output. Figures that are not finite are a bug here."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def show_text(text: str) -> None:
    """Print a line to standard output, at once, also where a pipe reads it."""
    sys.stdout.write(printable(text) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(printable(text) + "\n")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table to standard output; a column of numbers is set to the right."""
    body = [tuple(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        figures = all(isinstance(row[index], int | float | None) for row in body)
        table.add_column(name, justify="right" if figures else "left", overflow="fold")
    for row in body:
        table.add_row(*(printable(cell(value)) for value in row))
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)


def cell(value: object) -> str:
    """A value as a person reads it: counts with separators, measurements with four digits."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**15 else f"{value:.3e}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return str(value)


def percent(share: float | None, signed: bool = False) -> str:
    """Return a share as 2.1 %; a dash for one that is not known."""
    if share is None or not math.isfinite(share):
        return "-"
    return f"{100 * share:+.1f} %" if signed else f"{100 * share:.1f} %"
