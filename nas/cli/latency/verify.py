"""``nas latency verify``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.latency.progress import Told
from nas.cli.latency.words import (
    OwnDevice,
    finite,
    percent,
    place,
    show_busy,
    show_errors,
)
from nas.cli.long_work import reporting
from nas.cli.output import cell, show_json, show_table, show_text
from nas.cli.values import RUNS, Json, Out, RayAddress
from nas.cli.values import image as read_image
from nas.errors import UserError

if TYPE_CHECKING:
    from latency.bench import Say
    from nas.verifying import Subject

SAMPLES = 40


def verify(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Whose front is measured; none: random networks."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The latency model to verify. Default: the prices that the run recorded.",
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="SPACE", help="Where random networks come from. Default: the model's space."
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(metavar="CxHxW", help="Their image shape. Default: the model's."),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(metavar="N", min=2, help="Their number of classes. Default: the model's."),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(metavar="N", min=5, help=f"How many random networks. Default: {SAMPLES}."),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", help="What networks and weights are drawn from.")
    ] = 7,
    device: OwnDevice = None,
    ray_address: RayAddress = None,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Measure networks anew and compare: the front of a run, or networks that no model has seen.

    Prices are the model's, or those by which the run judged its networks.
    """
    drawn = {"--space": space, "--image": image, "--classes": classes, "--samples": samples}
    if run is None and model is None:
        raise UserError("give a RUN, whose front is measured, or --model FILE")
    if run is not None and (given := [name for name, value in drawn.items() if value is not None]):
        raise UserError(f"{given[0]} draws random networks; with a RUN its front is measured")
    with reporting("stopped; nothing was written") as progress:
        say = Told(progress)
        if run is not None:
            subjects, found = _front(run, model, out, device, ray_address, seed, say)
        else:
            assert model is not None
            subjects, found = _random(
                model, space, image, classes, samples or SAMPLES, device, ray_address, seed, say
            )
    networks = [
        _named(subject) | network
        for subject, network in zip(subjects, found["networks"], strict=True)
    ]
    found = finite(found | {"networks": networks})
    if as_json:
        show_json(found)
    else:
        _show(found)


def _random(
    path: Path,
    space: str | None,
    image: str | None,
    classes: int | None,
    samples: int,
    device: str | None,
    ray_address: str | None,
    seed: int,
    say: "Say",
) -> "tuple[list[Subject], dict[str, Any]]":
    """Verify a model on random networks."""
    from latency.model import document, verification
    from nas import latency_models, plugins, verifying

    model = document.load(path)
    pixels = model.scope.image if image is None else read_image(image, model.scope.image[0])
    family = plugins.space(space or model.scope.space)
    with latency_models.same_bench(model, path, None, device, ray_address) as bench:
        shape = (pixels, classes or model.scope.classes)
        subjects = verifying.random_subjects(family, *shape, samples, seed)
        graphs = [subject.graph for subject in subjects]
        return subjects, verification.verify(model, bench, graphs, seed, say).as_json()


def _front(
    name: str,
    path: Path | None,
    out: Path,
    device: str | None,
    ray_address: str | None,
    seed: int,
    say: "Say",
) -> "tuple[list[Subject], dict[str, Any]]":
    """Verify the prices of a run's front, or a model on its networks."""
    from latency.model import document, verification
    from nas import latency_models, verifying
    from nas.run import open_run

    opened = open_run(name, out)
    subjects, recorded = verifying.front_subjects(opened)
    graphs = [subject.graph for subject in subjects]
    if path is not None:
        model = document.load(path)
        with latency_models.same_bench(model, path, None, device, ray_address) as bench:
            return subjects, verification.verify(model, bench, graphs, seed, say).as_json()
    asked = opened.settings
    where = (asked.runtime, device or asked.device, ray_address or asked.ray_address)
    with latency_models.bench(*where) as bench:
        verifying.refuse_other_device(opened, bench)
        found = verification.verify(recorded, bench, graphs, seed, say).as_json()
        return subjects, found | {"coverage_90": None}  # no interval is recorded


def _named(subject: "Subject") -> dict[str, Any]:
    trial = {} if subject.trial is None else {"trial": subject.trial}
    return trial | {"key": subject.key}


def _show(found: dict[str, Any]) -> None:
    networks: Sequence[dict[str, Any]] = found["networks"]
    columns = ["network", "exits", "price ms", "interval ms", "by", "measured ms", "error", "noise"]
    rows = [_row(network) for network in networks]
    if any("trial" in network for network in networks):
        columns.insert(0, "trial")
        rows = [(network["trial"], *row) for network, row in zip(networks, rows, strict=True)]
    facts = found.get("facts") or {}
    show_text(f"{place(found | facts.get('fingerprint', {}))}: to the last exit\n")
    show_table(columns, rows)
    show_text("")
    show_errors(found)
    show_busy(facts)


def _row(network: dict[str, Any]) -> tuple[object, ...]:
    last = network["exits"][-1]
    return (
        network["key"],
        len(network["exits"]),
        last["estimate_ms"],
        f"{cell(last['low_ms'])} to {cell(last['high_ms'])}",
        last["how"],
        last["measured_ms"],
        percent(network["error"], signed=True),
        percent(network["noise"]),
    )
