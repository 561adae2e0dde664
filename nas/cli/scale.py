"""``nas scale``: a network made wider or narrower."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.architectures import Arch, Found, find
from nas.cli.output import cell, show_json, show_table, show_text
from nas.cli.values import (
    RUNS,
    Classes,
    Force,
    Image,
    Json,
    LatencyModel,
    ModelDevice,
    ModelRuntime,
    Out,
    Output,
    RayAddress,
)
from nas.cli.values import image as read_image
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.config import Config
    from nas.scaling import Reached, Scaling

UNITS = {"macs": "MACs", "latency_ms": "ms"}


def scale(
    arch: Arch,
    width: Annotated[
        float | None, typer.Option("--width", metavar="S", help="Multiply every width by this.")
    ] = None,
    target_macs: Annotated[
        str | None,
        typer.Option(metavar="MACS", help="MACs up to the last exit: 140M, 1.2G or 140000000."),
    ] = None,
    target_latency: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Latency of the last exit, such as 3ms; measured."),
    ] = None,
    output: Output = None,
    force: Force = False,
    image: Image = None,
    classes: Classes = None,
    latency_model: LatencyModel = None,
    device: ModelDevice = None,
    runtime: ModelRuntime = None,
    ray_address: RayAddress = None,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Make a network wider or narrower: by a factor, to a number of MACs or to a latency.

    Without -o nothing is written.
    """
    from nas import scaling
    from nas.config import save
    from nas.exports.config import destination
    from nas.latency import model_files

    if image is not None:
        read_image(image)  # a mistake in it is said before the network is looked for
    scaling.one_goal(width, target_macs, target_latency)
    if output is not None:
        destination(output, "scaled", force)
    found = find(arch, out)
    timed = target_latency is not None
    if latency_model is not None and not timed:
        raise UserError("--latency-model goes with --target-latency")
    where = (latency_model, runtime, device, ray_address)
    with model_files.source(*where) if timed else nullcontext() as source:
        scaled = scaling.scale(
            found.architecture,
            width,
            target_macs,
            target_latency,
            (image and read_image(image, found.image and found.image[0]))
            or found.image
            or (3, 32, 32),
            classes or found.classes or 100,
            source,
        )
    path = None
    if output is not None:
        name = f"{scaled.architecture.space}-{scaled.architecture.key}"
        path = destination(output, name, force)
        save(_config(scaled, found), path)
    if as_json:
        model = latency_model and str(latency_model)
        show_json(scaled.to_json() | {"path": path and str(path), "latency_model": model})
        return
    _show(scaled)
    if latency_model is not None:
        show_text(f"\nlatencies are predicted by {latency_model}")
    show_text("\nnothing is written without -o" if path is None else f"\n{path}")


def _config(scaled: "Scaling", found: Found) -> "Config":
    """The network as a config, with what still holds of the file it was scaled from.

    Exits and metrics were those of the other network.
    """
    from nas.config import Config

    config = Config.of(
        scaled.architecture.to_json(),
        image=scaled.image,
        classes=tuple(str(number) for number in range(scaled.classes)),  # nobody named them
    )
    known = found.config
    if known is None or (found.image, found.classes) != (scaled.image, scaled.classes):
        return config
    kept = {name: getattr(known, name) for name in ("classes", "preprocessing", "recipe")}
    return config.model_copy(update=kept)


def _show(scaled: "Scaling") -> None:
    shape = "x".join(map(str, scaled.image))
    architecture = scaled.architecture
    show_text(f"{architecture.space} {architecture.key}, image {shape}, {scaled.classes} classes\n")
    before, after = scaled.before, scaled.after
    rows: list[tuple[object, ...]] = [
        ("parameters", before.parameters, after.parameters),
        ("MACs", before.macs, after.macs),
    ]
    if before.latency_ms is not None:
        rows.append(("latency ms", before.latency_ms, after.latency_ms))
    rows += [(name, *change) for name, change in scaled.widths.items()]
    show_table(("", "before", "after"), rows)
    if not scaled.widths:
        show_text("no width changes")
    if scaled.reached is not None:
        show_text("\n" + told(scaled.reached))


def told(reached: "Reached") -> str:
    """How far a network is from its target, with its neighbours where that is far, as a line."""
    unit = UNITS[reached.unit]
    line = f"{_figure(reached.value)} {unit}: {_percent(reached.distance)} from the target of "
    line += f"{_figure(reached.target)} {unit}"
    if reached.within_tolerance:
        return line
    sides = {"below": reached.below, "above": reached.above}
    found = (
        f"nearest {side} " + ("none found" if value is None else _side(value, reached))
        for side, value in sides.items()
    )
    return f"{line}; {', '.join(found)}"


def _side(value: float, reached: "Reached") -> str:
    return f"{_figure(value)} ({_percent(value / reached.target - 1)})"


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %"


def _figure(value: float) -> str:
    """MACs as whole numbers, milliseconds with four digits."""
    return cell(int(value)) if value == int(value) else cell(value)
