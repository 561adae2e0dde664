"""``nas latency explain``."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.architectures import Arch, find
from nas.cli.latency.words import Model, place, shape
from nas.cli.output import cell, percent, show_json, show_table, show_text
from nas.cli.values import RUNS, Classes, Image, Json, Out
from nas.cli.values import image as read_image
from nas.finite import finite

if TYPE_CHECKING:
    from latency.model.model import LatencyModel, Share
    from latency.source import LatencyEstimate
    from search_spaces.blocks import BlockGraph

_BAR = 30
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def explain(
    arch: Arch,
    model: Model,
    image: Image = None,
    classes: Classes = None,
    plot: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Draw it too: .svg, .png or .pdf."),
    ] = None,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Show what each block and exit adds to the latency that a model predicts; asks no device.

    The image shape and the classes are the network's own where it has any, else the model's.
    """
    from latency.model import document
    from nas import plugins
    from nas.latency import share_plot
    from nas.plot import refuse_place

    if plot is not None:
        refuse_place(plot)
    if image is not None:
        read_image(image)  # a mistake in it is said before the network is looked for
    known = document.load(model)
    found = find(arch, out)
    pixels = found.image or known.scope.image
    if image is not None:
        pixels = read_image(image, pixels[0])
    count = classes or found.classes or known.scope.classes
    graph = plugins.space(found.architecture.space).blocks(found.architecture, pixels, count)
    shares, last = known.explain(graph), known.estimate(graph)[-1]
    if plot is not None:
        share_plot.draw(shares, f"{arch}, {known.name} on {known.device}", plot)
    if as_json:
        about = {"space": found.architecture.space, "key": found.architecture.key}
        show_json(finite(about | _facts(known, graph, shares, last)))
        return
    show_text(
        f"{arch}, image {shape(pixels)}, {count} classes: {place(known.fingerprint)}, predicted"
    )
    show_text(
        f"{cell(last.latency_ms)} ms to the last exit "
        f"({cell(last.low_ms)} to {cell(last.high_ms)} in 9 of 10 networks; {last.how})"
    )
    if found.architecture.space != known.scope.space:
        show_text(f"the model was fitted on {known.scope.space}: what it says of others is a guess")
    show_text("")
    _show(shares)


def _facts(
    model: "LatencyModel",
    graph: "BlockGraph",
    shares: "Sequence[Share]",
    last: "LatencyEstimate",
) -> dict[str, Any]:
    whole = sum(each.ms for each in shares)
    return {
        "device": model.device,
        "runtime": model.name,
        "image": list(graph.image),
        "classes": graph.classes,
        "latency_ms": last.latency_ms,
        "low_ms": last.low_ms,
        "high_ms": last.high_ms,
        "how": last.how,
        "shares": [{**each._asdict(), "share": each.ms / whole} for each in shares],
    }


def _show(shares: "Sequence[Share]") -> None:
    whole, longest = sum(each.ms for each in shares), max(each.ms for each in shares)
    show_table(
        ("exit", "block", "kind", "ms", "share", "by", ""),
        [
            (
                each.exit,
                each.block,
                each.kind,
                each.ms,
                percent(each.ms / whole),
                each.how,
                bar(each.ms / longest),
            )
            for each in shares
        ],
    )
    exits = {
        number: sum(each.ms for each in group)
        for number, group in groupby(shares, key=lambda each: each.exit)
    }
    show_text("")
    show_table(
        ("exit", "adds ms", "share", ""),
        [(number, ms, percent(ms / whole), bar(ms / whole)) for number, ms in exits.items()],
    )


def bar(share: float) -> str:
    """Return a bar of 30 characters for a whole, in steps of an eighth of one."""
    eighths = round(8 * _BAR * min(max(share, 0.0), 1.0))
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()
