"""The front as a picture: every network and its exit policies, accuracy against latency."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from nas import atomic, frame
from nas.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nas.objective import Objective
    from nas.run import Run

FORMATS = (".svg", ".png", ".pdf")
PLANE = ("accuracy", "latency_ms")


def front(run: "Run", objective: "Objective", path: Path) -> None:
    """Draw the run's front of accuracy and latency into ``path``, replacing what is there.

    Grey points are trained networks under the policy that scores best, blue ones the front over
    networks and policies; bars are one standard error of the accuracy on held-out images.
    Raises UserError for an ending other than .svg, .png or .pdf, a place that cannot be written,
    or a run without a finished trial.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    refuse_place(path)
    records = run.records()
    # Whatever the search optimised, the picture is of accuracy and latency: so is its front.
    kept = frame.pareto(records, replace(objective, facts=PLANE))
    trained = frame.trials(records, objective)
    if kept.empty:
        raise UserError(f"{run.name} has no finished trial to draw")
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter(trained["latency_ms"], trained["accuracy"], s=18, color="0.7", label="networks")
    axes.step(kept["latency_ms"], kept["accuracy"], where="post", color="#0072b2", linewidth=1)
    axes.errorbar(
        kept["latency_ms"],
        kept["accuracy"],
        kept["standard_error"],
        fmt="o",
        markersize=4,
        color="#0072b2",
        elinewidth=0.6,
        label="front (network, exit policy)",
    )
    if objective.reward is not None:
        target = objective.reward.target_ms
        axes.axvline(target, color="#d55e00", linestyle="--", label=f"target {target:.3g} ms")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"expected latency, ms ({run.latency['runtime']} on {run.latency['device']})")
    axes.set_ylabel(f"accuracy on held-out images of {Path(run.settings.data).name}")
    axes.legend(loc="best", frameon=False)
    save(figure, path)


def refuse_place(path: Path) -> None:
    """Raise UserError for another ending than .svg, .png or .pdf, and where there is no folder."""
    if path.suffix not in FORMATS:
        raise UserError(f"cannot draw {path}: the name must end in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise UserError(f"cannot draw {path}: there is no folder {path.parent}")


def save(figure: "Figure", path: Path) -> None:
    """Write a figure, replacing what is there. Raises UserError where it cannot be written."""
    from matplotlib import rc_context

    drawn = BytesIO()
    # Without dates and random names the same figure gives the same file.
    with rc_context({"svg.hashsalt": "nas"}):
        figure.savefig(drawn, format=path.suffix[1:], dpi=150, metadata=_UNDATED.get(path.suffix))
    try:
        atomic.write(path, drawn.getvalue())
    except OSError as error:
        raise UserError(f"cannot draw {path}: {error.strerror}") from None


_UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
