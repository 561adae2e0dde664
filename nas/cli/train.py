"""``nas train``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.long_work import reporting
from nas.cli.output import show_json, show_table, show_text
from nas.cli.values import CHECKPOINT, DATA_ROOT, RUNS, Json, Out

if TYPE_CHECKING:
    from nas.progress import Progress
    from nas.train_settings import Asked
    from nas.trainings import Finished

TrainArch = Annotated[
    str,
    typer.Argument(
        metavar="ARCH",
        help="A config file or its folder, RUN:TRIAL (or RUN:best), or a published network; with "
        "--resume, a training's name or folder.",
    ),
]


def train(
    arch: TrainArch,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="digits, fashion-mnist, cifar10, cifar100, a folder or an .npz file. Default: "
            "what the network was found with, or digits.",
        ),
    ] = None,
    data_root: Annotated[str | None, typer.Option(metavar="DIR", help=DATA_ROOT)] = None,
    image: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", help="Resize images to this many pixels. Default: the network's own."
        ),
    ] = None,
    limit: Annotated[
        str | None, typer.Option(metavar="N", help="Train on this many images. Default: all.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="How: default, msdnet, densenet, inception, shufflenet or mnasnet, as published. "
            "Default: default (SGD, one cosine).",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Epochs; the schedule keeps its form. Default: the recipe's (30 of default).",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Images a step; the rate changes in proportion. Default: the recipe's.",
        ),
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Highest learning rate. Default: the recipe's.")
    ] = None,
    distill: Annotated[
        float | None,
        typer.Option(
            metavar="W", help="Earlier exits also follow the last, with this weight. Default: 0."
        ),
    ] = None,
    exit_weights: Annotated[
        str | None,
        typer.Option(
            metavar="W,W,..", help="Weight of each exit's loss: 1,1,0.5. Default: 1 each."
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the best epoch is chosen by: accuracy or balanced-accuracy. "
            "Default: accuracy.",
        ),
    ] = None,
    hook: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py",
            help="Own loss(logits, labels), metric(answers, labels, classes). Default: none.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="What all chance is drawn from. Default: 0.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Where it trains: cpu or cuda. Default: cpu."),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What measures the latency in the end: torch, onnxruntime, litert... "
            "(see nas latency devices). "
            "Default: torch.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", help="Threads; 1 repeats bit for bit. Default: all cores."),
    ] = None,
    checkpoint: Annotated[
        bool | None,
        typer.Option("--checkpoint/--no-checkpoint", help=CHECKPOINT),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the training. Default: ARCH-DATA-RECIPE.")
    ] = None,
    out: Out = RUNS,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training ARCH where it stopped.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a network in full; weights and config are written to results/NAME."""
    given = {
        key: value
        for key, value in locals().items()
        if key not in ("arch", "out", "resume", "as_json")
    }
    from nas.train_settings import Asked

    with reporting("stopped; --resume goes on after the last whole epoch") as progress:
        finished = _trained(arch, Asked(**given), out, resume, progress)
    _show(finished, as_json)


def _trained(
    arch: str, asked: "Asked", out: Path, resume: bool, progress: "Progress"
) -> "Finished":
    from nas import trainings
    from nas.cli.architectures import find
    from nas.inference.trained import CONFIG

    if resume:
        return trainings.resume(arch, asked, out, progress)
    found = find(arch, out)
    path = Path(arch)
    label = path.absolute().parent.name if path.name == CONFIG else path.stem
    side = found.image[1] if found.image is not None and found.image[1] == found.image[2] else None
    subject = trainings.Subject(found.architecture, label, found.data, side, found.classes)
    return trainings.start(subject, asked, out, progress)


def _show(finished: "Finished", as_json: bool) -> None:
    from nas.trainings import summary

    told = summary(finished)
    if as_json:
        show_json(told)
        return
    metric, policy = told["metric"], told["policy"]
    show_text(
        f"{told['training']}: best of {told['epochs']} epochs is {told['best_epoch']}, "
        f"{metric['name']} {metric['value']:.4f} on held-out images\n"
    )
    show_table(("exit", "accuracy", "latency ms", "MACs", "threshold"), _rows(told["exits"]))
    show_text(
        f"\nexit policy ({policy['found']}): accuracy {policy['accuracy']:.4f} "
        f"± {policy['standard_error']:.4f}, {policy['latency_ms']:.4g} ms on average,\n"
        "on the held-out images that it was found on"
    )
    folder = told["folder"]
    show_text(f"\n{folder}/config.yaml, weights.safetensors, curves.csv")
    show_text(f"next: nas evaluate {folder}")


def _rows(exits: list[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    reached = True
    for each in exits:
        at = each["threshold"]
        threshold = f"{at:.4g}" if at else "the rest"
        if at > 1 or not reached:
            threshold = "nobody"
        reached = reached and at > 0
        yield each["exit"], each["accuracy"], each["latency_ms"], each["macs"], threshold
