"""``nas latency fit``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.latency.progress import Told
from nas.cli.latency.words import place, shape, show_busy, show_errors
from nas.cli.long_work import reporting
from nas.cli.output import percent, show_json, show_text
from nas.cli.values import Device, Force, Json, RayAddress, Runtime
from nas.cli.values import image as read_image
from nas.finite import finite

if TYPE_CHECKING:
    from latency.model.fitting import Fitted


def fit(
    space: Annotated[
        str, typer.Option(metavar="SPACE", help="Whose networks are measured; see nas spaces.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE.json", help="The model to write.")
    ],
    runtime: Runtime = "torch",
    device: Device = "cpu",
    image: Annotated[
        str, typer.Option(metavar="CxHxW", help="Image shape, such as 3x32x32, or 32.")
    ] = "3x32x32",
    classes: Annotated[int, typer.Option(metavar="N", min=2, help="Number of classes.")] = 10,
    samples: Annotated[
        int, typer.Option(metavar="N", min=9, help="Random networks measured as a whole.")
    ] = 20,
    seed: Annotated[int, typer.Option(metavar="N", help="What all chance is drawn from.")] = 0,
    refuse_busy: Annotated[
        bool,
        typer.Option("--refuse-busy", help="Write no model where something else runs beside it."),
    ] = False,
    force: Force = False,
    ray_address: RayAddress = None,
    as_json: Json = False,
) -> None:
    """Measure random networks of a space and all their blocks, and write a model of the device.

    The raw samples are written beside it.
    """
    from latency.model import fitting
    from nas import plugins
    from nas.latency import model_files as models

    found, pixels = plugins.space(space), read_image(image)
    models.refuse_place(output, force)
    with (
        reporting("stopped; nothing was written") as progress,
        models.bench(runtime, device, ray_address) as bench,
    ):
        told = Told(progress)
        if refuse_busy:
            models.refuse_busy(bench, seed, told)
        fitted = fitting.fit(bench, found, pixels, classes, samples, seed, told)
        if refuse_busy:
            models.refuse_restless(bench, fitted.batch.facts)
        models.write(output, fitted.model, fitted.names, fitted.batch)
    if as_json:
        show_json(finite(_facts(fitted, output)))
    else:
        _show(fitted, output)


def _facts(fitted: "Fitted", path: Path) -> dict[str, Any]:
    from nas.latency.model_files import samples_beside

    model = fitted.model
    return {
        "path": str(path),
        "samples": str(samples_beside(path)),
        "device": model.device,
        "runtime": model.name,
        "space": model.scope.space,
        "image": list(model.scope.image),
        "classes": model.scope.classes,
        "blocks": len(model.table),
        "errors": model.errors.as_json(),
        "errors_guessed": model.errors_guessed.as_json(),
        "facts": fitted.batch.facts,
        "fingerprint": model.fingerprint,
    }


def _show(fitted: "Fitted", path: Path) -> None:
    from nas.latency.model_files import samples_beside

    model, facts = fitted.model, fitted.batch.facts
    scope = model.scope
    show_text(
        f"{place(model.fingerprint)}: space {scope.space}, image {shape(scope.image)}, "
        f"{scope.classes} classes"
    )
    show_text(
        f"{model.errors.n} networks and {len(model.table)} blocks measured in "
        f"{facts['seconds']:.0f} s, noise {percent(model.errors.noise)}"
    )
    show_busy(facts)
    show_text("\nthe measured networks, priced by models that were fitted without them:")
    show_errors(
        {
            "all blocks measured": model.errors.as_json(),
            "unknown blocks guessed": model.errors_guessed.as_json(),
        }
    )
    show_text(f"\n{path}, raw samples in {samples_beside(path)}")
