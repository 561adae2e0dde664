"""Figures of latency models as a reader sees them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.output import cell, percent, show_table, show_text
from nas.cli.values import DEVICE

Model = Annotated[
    Path,
    typer.Option("--model", metavar="FILE", help="A latency model that nas latency fit wrote."),
]
OwnDevice = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help=f"{DEVICE} Default: the model's.")
]
ERRORS = {
    "n": "networks",
    "mape": "mean error",
    "within_5": "within 5 %",
    "within_10": "within 10 %",
    "spearman": "Spearman",
    "kendall": "Kendall",
    "coverage_90": "in 90 % interval",
    "noise": "noise",
}
_SHARES = ("mape", "within_5", "within_10", "coverage_90", "noise")


def show_errors(errors: Mapping[str, Mapping[str, Any]]) -> None:
    """Print how far prices are from measurements, the noise of these beside it, a row for each."""
    stated = {
        n: title for n, title in ERRORS.items() if any(e[n] is not None for e in errors.values())
    }
    rows = [
        [*([what] if what else []), *(_error(name, each[name]) for name in stated)]
        for what, each in errors.items()
    ]
    show_table((*([""] if any(errors) else []), *stated.values()), rows)


def show_busy(facts: Mapping[str, Any]) -> None:
    """Say whether something else kept the device busy."""
    from nas.latency.model_files import told

    state = "busy: repeat it on a quiet one" if facts.get("busy") else "quiet"
    show_text(f"the device was {state} ({told(dict(facts))})")


def place(fingerprint: Mapping[str, Any]) -> str:
    """Return a device in a few words: runtime, device and processor."""
    host = fingerprint.get("host")
    known = host if isinstance(host, Mapping) else {}
    named = known.get("cpu") or known.get("model")
    where = f"{fingerprint.get('runtime')} on {fingerprint.get('device')}"
    return f"{where} ({named})" if named else where


def shape(image: tuple[int, ...]) -> str:
    """Return an image shape as 3x32x32."""
    return "x".join(map(str, image))


def _error(name: str, value: Any) -> str:
    if name in _SHARES:
        return percent(value)
    return cell(value) if value is None or math.isfinite(value) else "-"
