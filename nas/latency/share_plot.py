"""What each block of a network adds to its latency, as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas import plot

if TYPE_CHECKING:
    from latency.model.model import Share

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "0.4")
"""Of the exits in turn; told apart by people who see no red or green, too."""

_ROW, _MARGINS = 0.17, 1.3  # inches


def draw(shares: "Sequence[Share]", title: str, path: Path) -> None:
    """Draw a bar a block, coloured by exit, hatched where the block was never measured.

    Raises UserError as ``plot.save`` does.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    exits = sorted({each.exit for each in shares})
    colours = {number: COLOURS[index % len(COLOURS)] for index, number in enumerate(exits)}
    figure = Figure(figsize=(7, _ROW * len(shares) + _MARGINS), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(
        range(len(shares)),
        [each.ms for each in shares],
        color=[colours[each.exit] for each in shares],
        hatch=["" if each.how == "table" else "////" for each in shares],
        edgecolor="white",
        linewidth=0,
    )
    axes.set_yticks(range(len(shares)), [f"{each.block}  {each.kind}" for each in shares])
    axes.tick_params(axis="y", labelsize=6, length=0)
    axes.set_ylim(len(shares) - 0.4, -0.6)  # the first block at the top
    axes.set_xlabel("ms added to the last exit")
    axes.set_title(title, fontsize=9)
    legend = [Patch(color=colours[number], label=f"exit {number}") for number in exits]
    if any(each.how != "table" for each in shares):
        legend.append(
            Patch(facecolor="0.6", edgecolor="white", hatch="////", label="block not measured")
        )
    axes.legend(handles=legend, frameon=False, fontsize=7)
    plot.save(figure, path)
