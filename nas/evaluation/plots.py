"""Accuracy against cost as pictures: anytime answers and budgeted batches, in MACs and ms."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from nas.evaluation.facts import Evaluation, PolicyFacts, Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "0.55"
UNITS: tuple[Unit, ...] = ("macs", "latency_ms")


def anytime(evaluation: Evaluation) -> bytes:
    """An SVG of the best answer within a budget per image; bars are one standard error."""
    figure, panels = _panels(evaluation, "budget of one image")
    for axes, unit in zip(panels, UNITS, strict=True):
        at, accuracy, error = _static(evaluation, unit)
        axes.step([*at, at[-1] * 1.1], [*accuracy, accuracy[-1]], where="post", color=BLUE)
        _bars(axes, at, accuracy, error, BLUE, "latest exit within the budget")
    return _drawn(figure, panels)


def budget(evaluation: Evaluation) -> bytes:
    """An SVG of budgeted batches against single exits; needs the evaluation's curves."""
    curves = evaluation.curves
    assert curves is not None
    figure, panels = _panels(evaluation, "mean cost of an image")
    for axes, unit in zip(panels, UNITS, strict=True):
        at, accuracy, error = _static(evaluation, unit)
        _bars(axes, at, accuracy, error, GREY, "every image at one exit", marker="s")
        _line(axes, curves.official, unit, GREEN, "official sweep")
        _line(axes, curves.thresholds, unit, ORANGE, "one threshold for all exits")
        points = [point.reached.seen for point in getattr(curves, unit)]
        axes.plot(
            [getattr(p, unit) for p in points], [p.accuracy for p in points], color=BLUE, zorder=3
        )
        _bars(
            axes,
            [getattr(p, unit) for p in points],
            [p.accuracy for p in points],
            [p.standard_error for p in points],
            BLUE,
            "budgeted batch",
        )
        own = evaluation.policy.reached.seen
        axes.plot(getattr(own, unit), own.accuracy, "k*", markersize=10, zorder=4, label="policy")
    return _drawn(figure, panels)


def _panels(evaluation: Evaluation, what: str) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = list(figure.subplots(1, 2, sharey=True))
    conditions = evaluation.cost.conditions
    panels[0].set_xlabel(f"{what}, MACs (lazy)")
    panels[1].set_xlabel(f"{what}, ms ({conditions['runtime']} on {conditions['device']})")
    panels[0].set_ylabel(f"accuracy on {evaluation.split} images of {evaluation.data}")
    return figure, panels


def _static(evaluation: Evaluation, unit: Unit) -> tuple[list[float], list[float], list[float]]:
    """Cost, accuracy and standard error of every exit."""
    seen = [each.accuracy.seen for each in evaluation.exits]
    cost = [float(getattr(each, unit)) for each in evaluation.exits]
    return cost, [s.accuracy for s in seen], [s.standard_error for s in seen]


def _line(axes: "Axes", points: Sequence[PolicyFacts], unit: Unit, colour: str, label: str) -> None:
    seen = [point.reached.seen for point in points]
    at, accuracy = [getattr(s, unit) for s in seen], [s.accuracy for s in seen]
    axes.plot(at, accuracy, color=colour, linewidth=1, label=label)


def _bars(
    axes: "Axes",
    at: Sequence[float],
    accuracy: Sequence[float],
    error: Sequence[float],
    colour: str,
    label: str,
    marker: str = "o",
) -> None:
    style: dict[str, Any] = {"markersize": 4, "elinewidth": 0.6, "fmt": marker}
    axes.errorbar(at, accuracy, error, color=colour, label=label, **style)


def _drawn(figure: "Figure", panels: "Sequence[Axes]") -> bytes:
    from matplotlib import rc_context
    from matplotlib.ticker import EngFormatter

    panels[0].xaxis.set_major_formatter(EngFormatter(sep=""))
    panels[0].legend(loc="lower right", frameon=False)
    drawn = BytesIO()
    # Without dates and random names the same evaluation gives the same file.
    with rc_context({"svg.hashsalt": "nas"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()
