"""``nas describe``: what a network is and costs."""

from contextlib import nullcontext
from dataclasses import asdict, astuple
from typing import Annotated, Any

import typer

from nas.cli.architectures import Arch, find
from nas.cli.output import cell, percent, say, show_json, show_table, show_text
from nas.cli.values import (
    RUNS,
    Classes,
    Image,
    Json,
    LatencyModel,
    ModelDevice,
    ModelRuntime,
    Out,
    RayAddress,
)
from nas.cli.values import image as read_image
from nas.description import Description
from nas.operator_table import OperatorTable, operator_table

Latency = Annotated[bool, typer.Option("--latency", help="Measure the latency of every exit.")]


def describe(
    arch: Arch,
    image: Image = None,
    classes: Classes = None,
    latency: Latency = False,
    operators: Annotated[
        bool, typer.Option("--operators", help="List every operator; fvcore counts beside.")
    ] = False,
    latency_model: LatencyModel = None,
    device: ModelDevice = None,
    runtime: ModelRuntime = None,
    ray_address: RayAddress = None,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Show parameters, MACs and, with --latency, milliseconds of every exit of a network."""
    from nas import description
    from nas.latency import model_files

    if image is not None:
        read_image(image)  # a mistake in it is said before the network is looked for
    found = find(arch, out)
    shape = None if image is None else read_image(image, found.image and found.image[0])
    timed = latency or latency_model is not None
    where = (latency_model, runtime, device, ray_address)
    with model_files.source(*where) if timed else nullcontext() as source:
        described = description.describe(
            found.architecture,
            shape or found.image or (3, 32, 32),
            classes or found.classes or 100,
            source,
        )
    if found.image is None and (image is None or classes is None) and not as_json:
        shown = "x".join(map(str, described.image))
        say(f"for {shown} images of {described.classes} classes; --image and --classes give others")
    table = None
    if operators:
        table = operator_table(found.architecture, described.image, described.classes)
    if as_json:
        show_json(described.to_json() | ({} if table is None else {"operators": asdict(table)}))
        return
    _show(described)
    if table is not None:
        _show_operators(table)


def _show_operators(table: OperatorTable) -> None:
    columns = ("exit", "operator", "channels", "kernel", "stride", "groups", "output", "MACs")
    rows = [
        (
            exit_number,
            each.kind,
            f"{each.in_channels} to {each.out_channels}",
            _by(each.kernel),
            _by(each.stride),
            each.groups,
            _by(each.output_size),
            each.macs,
        )
        for exit_number, stage in enumerate(table.stages, start=1)
        for each in stage
    ]
    show_text("")
    show_table(columns, rows)
    show_text(f"\nMACs of all exits: {cell(table.macs)} here, {cell(table.fvcore_macs)} by fvcore")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _show(described: Description) -> None:
    shape = "x".join(map(str, described.image))
    show_text(f"{described.space} {described.key}, image {shape}, {described.classes} classes")
    show_text(f"{cell(described.parameters)} parameters\n")
    columns = ("exit", "MACs", "lazy MACs", "official ops", "latency ms", "low", "high", "by")
    rows = [astuple(found) for found in described.exits]
    timed = described.latency_conditions is not None
    shown = len(columns) if timed else columns.index("latency ms")
    show_table(columns[:shown], [row[:shown] for row in rows])
    if described.latency_conditions is not None:
        show_text(f"\nlatency: {_conditions(described.latency_conditions)}")


def _conditions(conditions: dict[str, Any]) -> str:
    """What latencies hold for; of a model, how far it was off where it was fitted."""
    facts = ", ".join(f"{k} {v}" for k, v in conditions.items() if k != "model")
    if "model" not in conditions:
        return facts
    model = conditions["model"]
    error = percent(model["mape"])
    return f"{facts}\nfitted {model['fitted']}: mean error {error} of {model['n']} networks"
