"""``nas search`` and ``nas resume``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.long_work import reporting
from nas.cli.output import show_json, show_text
from nas.cli.values import RUNS, Json, Out, Run, TargetLatency, Weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.progress import Progress
    from nas.run import Run as Opened

MaxTime = Annotated[
    str | None, typer.Option(metavar="TIME", help="Start no trial after it: 90s, 15m or 2h.")
]


def search(
    space: Annotated[str | None, typer.Option(help="What to search; see nas spaces.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="digits, fashion-mnist, cifar10, cifar100, a folder or an .npz file."),
    ] = None,
    data_root: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder of the standard sets.")
    ] = None,
    image: Annotated[int | None, typer.Option(help="Resize images to this many pixels.")] = None,
    limit: Annotated[
        str | None,
        typer.Option(metavar="N", help="Train on this many images, or all (default: 5000)."),
    ] = None,
    controller: Annotated[
        str | None, typer.Option(help="Who proposes: random, tpe, nsga2 or reinforce.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="NETWORKS", help="Try these first: published, or names and files."),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="How many networks to try.")] = None,
    max_time: MaxTime = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each training.")] = None,
    checkpoint: Annotated[
        bool | None,
        typer.Option("--checkpoint/--no-checkpoint", help="Train in less memory and more time."),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="reward, or pareto[:accuracy,latency_ms,parameters]."),
    ] = None,
    target_latency: TargetLatency = None,
    max_latency: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Train nothing slower (default: 5 times the target)."),
    ] = None,
    w: Weight = None,
    hard: Annotated[
        bool | None,
        typer.Option("--hard/--no-hard", help="T is a limit (alpha 0, beta -1), or soft again."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Where the latency is measured.")] = None,
    runtime: Annotated[str | None, typer.Option(help="What runs it there: torch, macs.")] = None,
    executor: Annotated[str | None, typer.Option(help="ray, or inline in this process.")] = None,
    workers: Annotated[int | None, typer.Option(help="Trainings at a time.")] = None,
    gpus_per_trial: Annotated[float | None, typer.Option(help="Share of a GPU each.")] = None,
    ray_address: Annotated[str | None, typer.Option(help="A running Ray cluster.")] = None,
    storage: Annotated[str | None, typer.Option(metavar="URL", help="Optuna storage.")] = None,
    seed: Annotated[int | None, typer.Option(help="What all chance is drawn from.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Where runs are.")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings file; options above win over it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search, train and measure networks; the run is written to results/RUN."""
    # Settings know their defaults; only what was given is passed on.
    given = {
        key: value
        for key, value in locals().items()
        if key not in ("config", "as_json") and value is not None
    }
    from nas import searches
    from nas.settings import parse

    options = _over(config, given) if config else given
    _drive(lambda progress: searches.start(parse(options), progress), as_json)


def _over(config: Path, given: dict[str, object]) -> dict[str, object]:
    """The options of a settings file, those given in their place.

    What a given option makes meaningless is dropped: a run's own search.yaml, in which everything
    is resolved, can be searched again with another reward or target. Its name stays with its run.
    """
    from nas.run import SETTINGS
    from nas.settings import load

    kept = load(config)
    if given.get("hard"):
        kept.pop("w", None)
    if "w" in given:
        kept.pop("hard", None)
    if "target_latency" in given:
        kept.pop("max_latency", None)
    if config.name == SETTINGS and config.absolute().parent.name == kept.get("name"):
        del kept["name"]
    return kept | given


def resume(
    run: Run,
    trials: Annotated[
        str | None, typer.Option(metavar="N", help="Trials in all, or +N for N more.")
    ] = None,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Go on with a run where it stopped."""
    from nas import searches
    from nas.run import open_run

    opened = open_run(run, out)
    _drive(lambda progress: searches.resume(opened, trials, progress=progress), as_json)


def _drive(action: "Callable[[Progress], Opened]", as_json: bool) -> None:
    """Run a search; progress goes to standard error, what came of it to standard output."""
    from nas import results, summary

    with reporting("stopped; finished trials are kept, nas runs lists every run") as progress:
        run = action(progress)
    if as_json:
        show_json(results.status(run))
        return
    show_text(summary.text(run))
