"""``nas search`` and ``nas resume``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nas.cli.long_work import reporting
from nas.cli.output import show_json, show_text
from nas.cli.values import CHECKPOINT, DATA_ROOT, DEVICE, RUNS, Json, Out, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.progress import Progress
    from nas.run import Run as Opened

MaxTime = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Start no trial after it: 90s, 15m or 2h. Default: no limit."
    ),
]


def search(
    space: Annotated[
        str | None,
        typer.Option(metavar="SPACE", help="What to search; see nas spaces. Default: msd."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="digits, fashion-mnist, cifar10, cifar100, a folder or an .npz file. "
            "Default: digits.",
        ),
    ] = None,
    data_root: Annotated[str | None, typer.Option(metavar="DIR", help=DATA_ROOT)] = None,
    image: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Resize images to this many pixels. Default: their own size (digits: 32), but 64 "
            "where it is larger or mixed.",
        ),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(metavar="N", help="Train on this many images, or all. Default: 5000."),
    ] = None,
    controller: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Who proposes: random, tpe, nsga2, gp, local_search, evolution, reinforce, "
            "surrogate or ppo. Default: surrogate.",
        ),
    ] = None,
    controller_options: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=VALUE,...",
            help="Its options, such as screening=false of ppo or population=50 of evolution. "
            "Default: its own.",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="NETWORKS",
            help="Try these first: published, or names and files. Default: none.",
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(metavar="N", help="How many networks to try. Default: 24.")
    ] = None,
    max_time: MaxTime = None,
    trial_timeout: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="End a training that takes longer, such as 30m, and try it once more. Default: "
            "only one that does nothing for 15 minutes.",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Stop after N trials in a row that raised neither the best reward nor the "
            "hypervolume of the front. Default: never.",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Epochs of each training. Default: 4.")
    ] = None,
    fidelity: Annotated[
        Literal["full", "asha"] | None,
        typer.Option(
            help="Train every network to the end, or stop early those that promise less "
            "(successive halving). Default: full."
        ),
    ] = None,
    grace: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="With asha: epochs before networks are first compared. Default: 1."
        ),
    ] = None,
    reduction: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="With asha: of N networks one goes on, N times as far. Default: 3.",
        ),
    ] = None,
    checkpoint: Annotated[
        bool | None,
        typer.Option("--checkpoint/--no-checkpoint", help=CHECKPOINT),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Train in float32, in bfloat16, or in bfloat16-dense: bfloat16 for networks of "
            "large dense convolutions alone. auto: by what a short test finds faster here. "
            "Default: auto.",
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="reward, or pareto[:accuracy,latency_ms,parameters]. Default: reward.",
        ),
    ] = None,
    target_latency: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The latency T of the reward, such as 2ms. Default: the 30th percentile of 32 "
            "random networks.",
        ),
    ] = None,
    max_latency: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Train nothing slower but what --start names. Default: 5 times the target.",
        ),
    ] = None,
    max_parameters: Annotated[
        str | None,
        typer.Option(metavar="N", help="Train nothing larger: 2M, 500k. Default: no limit."),
    ] = None,
    max_macs: Annotated[
        str | None,
        typer.Option(metavar="N", help="Train nothing with more MACs. Default: no limit."),
    ] = None,
    w: Annotated[
        float | None,
        typer.Option(
            "--w", help="Exponent of the soft reward ACC * (LAT / T) ** w. Default: -0.07."
        ),
    ] = None,
    hard: Annotated[
        bool | None,
        typer.Option(
            "--hard/--no-hard",
            help="T is a limit (alpha 0, beta -1), or soft again. Default: soft.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"{DEVICE} Default: cpu."),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What runs it there: torch, onnxruntime, litert... "
            "(see nas latency devices). Default: torch.",
        ),
    ] = None,
    latency_model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Predict latencies by a model of nas latency fit, and measure only where it is "
            "in doubt. auto: by one that fits from an earlier search, from 100 trials on by a new "
            "one. none: measure every network. Default: auto.",
        ),
    ] = None,
    risk: Annotated[
        Literal["mean", "upper"] | None,
        typer.Option(help="Weigh the latency, or the upper end of its interval. Default: mean."),
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="ray, or inline in this process. Default: ray."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Trainings at a time. Default: one a core."),
    ] = None,
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(help="GPUs of each training, also a part of one such as 0.25. Default: 0."),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="A running Ray cluster. Default: a Ray of this search alone."
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Database of the trials. Default: the SQLite file RUN/study.db."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="What all chance is drawn from. Default: 0.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the run. Default: SPACE-DATA-CONTROLLER.")
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where the runs are. Default: results.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Settings file; options given here win over it."),
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
        str | None,
        typer.Option(
            metavar="N", help="Trials in all, or +N for N more. Default: as many as asked before."
        ),
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
