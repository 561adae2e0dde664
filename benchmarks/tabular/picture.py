"""Regret against trials, with the doubt that a limited number of seeds leaves."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.tabular.findings import Finding
from nas.plot import save

SURE = 1.96
"""Standard errors of a band that holds the mean in 95 of 100 such experiments."""


def draw(findings: Mapping[str, Finding], floor: float | None, words: str, path: Path) -> None:
    """Draw a curve with its 95 % band for each contender into ``path`` (.svg, .png or .pdf).

    Raises UserError where it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for name, found in findings.items():
        mean, error = np.array(found.regret), SURE * np.array(found.error)
        trials = np.arange(1, len(mean) + 1)
        (line,) = axes.plot(trials, mean, label=name, linewidth=1.2)
        axes.fill_between(
            trials, np.maximum(mean - error, 1e-3), mean + error, color=line.get_color(), alpha=0.15
        )
    if floor:
        axes.axhline(floor, color="0.4", linestyle="--", linewidth=1, label="noise floor")
    axes.set_yscale("log")
    axes.set_xlabel("trials")
    axes.set_ylabel("regret, %")
    axes.set_title(words, fontsize=8, wrap=True)
    axes.grid(alpha=0.3, which="both", linewidth=0.4)
    axes.legend(fontsize=8)
    save(figure, path)
