"""A comparison of contestants over seeds: one table, one plot, one JSON file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.curves import Comparison, compare
from benchmarks.judged import COSTS, RULES, Judged
from nas import atomic

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
AT = (0.25, 0.5, 0.75, 1.0)  # of the cheapest contestant's full cost


@dataclass(frozen=True, eq=False)
class Field:
    """All contestants, each with one Judged a seed, in the same order of seeds."""

    judged: dict[str, tuple[Judged, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """The contestants; the first is compared with each of the others."""
        return tuple(self.judged)


def against(field: Field, other: str, rule: str, unit: str) -> list[Comparison]:
    """The first contestant against another one, seed by seed."""
    pairs = zip(field.judged[field.names[0]], field.judged[other], strict=True)
    return [compare(one.curves[rule, unit], two.curves[rule, unit]) for one, two in pairs]


def table(field: Field) -> str:
    """What is found, as Markdown: exits, equal cost, equal accuracy."""
    return "\n\n".join((_exits(field), _at_costs(field), _overall(field)))


def summary(field: Field) -> dict[str, Any]:
    """Every figure of the table and the plot, seed by seed, as JSON values."""
    curves = [
        {
            "contestant": name,
            "seed": judged.seed,
            "rule": rule,
            "cost": unit,
            "points": np.stack([curve.cost, curve.accuracy], axis=1).tolist(),
        }
        for name, seeds in field.judged.items()
        for judged in seeds
        for rule in RULES
        for unit in COSTS
        for curve in [judged.curves[rule, unit]]
    ]
    compared = [
        {
            "contestants": [field.names[0], other],
            "rule": rule,
            "cost": unit,
            "accuracy_gap": [found.gap for found in against(field, other, rule, unit)],
            "cost_ratio": [found.ratio for found in against(field, other, rule, unit)],
            "cost_ratio_at_best": [
                found.ratio_at_best for found in against(field, other, rule, unit)
            ],
        }
        for other in field.names[1:]
        for rule in RULES
        for unit in COSTS
    ]
    return {"curves": curves, "comparisons": compared}


def write(field: Field, folder: Path, header: str) -> None:
    """Write README.md (`header`, then the table), curves.svg and summary.json into `folder`."""
    # NaN (nothing in common to compare) has no place in JSON.
    facts = json.loads(json.dumps(summary(field)), parse_constant=lambda _: None)
    atomic.write(folder / "summary.json", (json.dumps(facts, indent=1) + "\n").encode())
    atomic.write(folder / "curves.svg", _drawn(field))
    atomic.write(folder / "README.md", f"{header}\n\n{table(field)}\n".encode())


def _exits(field: Field) -> str:
    rows = []
    for name, seeds in field.judged.items():
        right = np.array([judged.test.correct.mean(axis=0) for judged in seeds])
        for k, (macs, ms) in enumerate(
            zip(seeds[0].exit_macs, seeds[0].exit_latency_ms, strict=True)
        ):
            accuracy = _spread(100 * right[:, k])
            rows.append((name, str(k + 1), f"{macs / 1e6:.2f}", f"{ms:.2f}", accuracy))
    return _markdown(("network", "exit", "M MACs", "ms", "test accuracy, %"), rows)


def _at_costs(field: Field) -> str:
    rows = []
    for rule in RULES:
        for unit in COSTS:
            full = min(seeds[0].exit_cost(unit)[-1] for seeds in field.judged.values())
            for part in AT:
                cells = [
                    _spread([_percent(judged, rule, unit, part * full) for judged in seeds])
                    for seeds in field.judged.values()
                ]
                rows.append((rule, f"{_cost(part * full, unit)} ({part:.0%})", *cells))
    return _markdown(("rule", "cost an image (of the cheapest's full cost)", *field.names), rows)


def _overall(field: Field) -> str:
    rows = []
    for other in field.names[1:]:
        for rule in RULES:
            for unit in COSTS:
                found = against(field, other, rule, unit)
                gap = _spread([100 * each.gap for each in found], "+")
                ratio = _spread([each.ratio for each in found])
                best = _spread([each.ratio_at_best for each in found])
                rows.append((f"{field.names[0]} against {other}", rule, unit, gap, ratio, best))
    columns = (
        "",
        "rule",
        "cost",
        "accuracy gap at equal cost, points",
        "cost ratio at equal accuracy",
        "cost ratio at the other's best",
    )
    return _markdown(columns, rows)


def _percent(judged: Judged, rule: str, unit: str, cost: float) -> float:
    curve = judged.curves[rule, unit]
    if cost < curve.cost[0]:
        return float("nan")
    return 100 * float(curve.at(np.array([cost]))[0])


def _spread(values: Sequence[float] | np.ndarray, sign: str = "") -> str:
    """Mean and standard deviation over seeds."""
    known = np.asarray(values, np.float64)
    if np.isnan(known).any():
        return "-"
    deviation = known.std(ddof=1) if len(known) > 1 else float("nan")
    return f"{known.mean():{sign}.2f} ± {deviation:.2f}"


def _cost(value: float, unit: str) -> str:
    return f"{value / 1e6:.1f} M MACs" if unit == "MACs" else f"{value:.2f} ms"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _drawn(field: Field) -> bytes:
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    panels = figure.subplots(len(COSTS), len(RULES), sharey=True)
    for row, unit in zip(panels, COSTS, strict=True):
        for axes, rule in zip(row, RULES, strict=True):
            for colour, (name, seeds) in zip(COLOURS, field.judged.items(), strict=False):
                _panel(axes, [judged.curves[rule, unit] for judged in seeds], name, colour)
            axes.set_title(rule)
            axes.set_xlabel(f"mean cost of an image, {unit}")
            if unit == "MACs":
                axes.xaxis.set_major_formatter(lambda macs, _: f"{macs / 1e6:g} M")
        row[0].set_ylabel("test accuracy")
    panels[0][0].legend(frameon=False)
    drawn = BytesIO()
    with rc_context({"svg.hashsalt": "nas"}):  # the same figures give the same file
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def _panel(axes: Any, curves: Sequence[Any], name: str, colour: str) -> None:
    """The mean over seeds as a line, from the least to the greatest as a band."""
    low = max(curve.cost[0] for curve in curves)
    high = min(curve.cost[-1] for curve in curves)
    grid = np.linspace(low, high, 400)
    each = np.array([curve.at(grid) for curve in curves])
    axes.plot(grid, each.mean(axis=0), color=colour, label=name)
    axes.fill_between(
        grid, each.min(axis=0), each.max(axis=0), color=colour, alpha=0.2, linewidth=0
    )
