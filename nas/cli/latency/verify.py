"""``nas latency verify``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.latency.progress import Told
from nas.cli.latency.words import OwnDevice, place, show_busy, show_errors
from nas.cli.long_work import reporting
from nas.cli.output import cell, percent, show_json, show_table, show_text
from nas.cli.values import RUNS, Json, Out, RayAddress
from nas.cli.values import image as read_image
from nas.errors import UserError
from nas.finite import finite

if TYPE_CHECKING:
    from latency.bench import Say
    from nas.latency.verifying import Recorded, Subject
    from nas.run import Run as Opened

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
    missing_blocks: Annotated[
        bool,
        typer.Option(
            "--missing-blocks", help="First measure the blocks that the model lacks; keeps none."
        ),
    ] = False,
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
    if missing_blocks and model is None:
        raise UserError("--missing-blocks is about a model: name it with --model FILE")
    with reporting("stopped; nothing was written") as progress:
        where = Where(device, ray_address, seed, missing_blocks, Told(progress))
        if run is None:
            assert model is not None
            subjects = _drawn(model, space, image, classes, samples or SAMPLES, seed)
        else:
            from nas.latency.verifying import front_subjects
            from nas.run import open_run

            opened = open_run(run, out)
            subjects, prices = front_subjects(opened)
        if model is not None:
            found = _by_model(model, subjects, where)
        else:
            found = _by_record(opened, subjects, prices, where)
    networks = [
        _named(subject) | network
        for subject, network in zip(subjects, found["networks"], strict=True)
    ]
    found |= {"networks": networks, "by": _by(networks)}
    if found.get("drift") is not None:
        found["mape_without_drift"] = _without(found["drift"], networks)
    found = finite(found)
    if as_json:
        show_json(found)
    else:
        _show(found)


@dataclass(frozen=True, slots=True)
class Where:
    """Where it is measured, with which seed, and whether blocks are measured first."""

    device: str | None
    ray_address: str | None
    seed: int
    missing_blocks: bool
    say: "Say"


def _by_model(path: Path, subjects: "Sequence[Subject]", where: Where) -> dict[str, Any]:
    """Hold a model against measurements of these networks."""
    from latency.model import document, extending, verification
    from nas.latency import model_files

    model = document.load(path)
    graphs = [subject.graph for subject in subjects]
    known = len(model.table)
    with model_files.same_bench(model, path, None, where.device, where.ray_address) as bench:
        if where.missing_blocks:
            model = extending.extend(model, bench, graphs, where.seed, where.say)
        found = verification.verify(model, bench, graphs, where.seed, where.say).as_json()
        more = {"blocks_measured": len(model.table) - known, "fingerprint": bench.fingerprint()}
    return found | more


def _by_record(
    run: "Opened", subjects: "Sequence[Subject]", prices: "Recorded", where: Where
) -> dict[str, Any]:
    """Hold the prices of a run's front against measurements."""
    from latency.model import verification
    from nas.latency import model_files, verifying

    graphs = [subject.graph for subject in subjects]
    asked = run.settings
    device, address = where.device or asked.device, where.ray_address or asked.ray_address
    with model_files.bench(asked.runtime, device, address) as bench:
        verifying.refuse_other_device(run, bench)
        found = verification.verify(prices, bench, graphs, where.seed, where.say).as_json()
        if not all(price[-1].how in ("table", "extrapolated") for price in prices.all):
            found["coverage_90"] = None  # the spread of a measurement promises no share
        return found | {"fingerprint": bench.fingerprint()}


def _drawn(
    path: Path,
    space: str | None,
    image: str | None,
    classes: int | None,
    samples: int,
    seed: int,
) -> "list[Subject]":
    """Draw networks to verify a model on, at what it was fitted on unless said otherwise."""
    from latency.model import document
    from nas import plugins
    from nas.latency import verifying

    scope = document.load(path).scope
    pixels = scope.image if image is None else read_image(image, scope.image[0])
    family = plugins.space(space or scope.space)
    return verifying.random_subjects(family, pixels, classes or scope.classes, samples, seed)


def _by(networks: "Sequence[dict[str, Any]]") -> dict[str, dict[str, Any]]:
    """Count the networks of each kind of price, with the mean of their errors."""
    errors: dict[str, list[float]] = {}
    for network in networks:
        errors.setdefault(network["exits"][-1]["how"], []).append(abs(network["error"]))
    return {how: {"n": len(each), "mape": sum(each) / len(each)} for how, each in errors.items()}


def _without(drift: float, networks: "Sequence[dict[str, Any]]") -> float:
    """Return the mean error had the device been as fast as when the model was fitted."""
    errors: list[float] = [abs((1 + network["error"]) * drift - 1) for network in networks]
    return sum(errors) / len(errors)


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
    show_text(f"{place(found['fingerprint'])}: to the last exit\n")
    show_table(columns, rows)
    show_text("")
    show_errors({"": found})
    parts = [f"{each['n']} by {how}: {percent(each['mape'])}" for how, each in found["by"].items()]
    show_text(f"mean error of {', of '.join(parts)}")
    if found.get("drift") is not None:
        change = found["drift"] - 1
        show_text(
            f"the canary takes {percent(abs(change))} {'more' if change > 0 else 'less'} time than "
            f"at the fit; without that the mean error is {percent(found['mape_without_drift'])}"
        )
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
