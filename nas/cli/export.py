"""``nas export``: a network as a config, as ONNX files or as weights."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nas.cli.output import say, show_json, show_text
from nas.cli.values import RUNS, Json, Out, Output, Weights

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="A run, RUN:TRIAL, or a trained network's folder or config."
    ),
]
Format = Literal["config", "onnx", "pytorch"]


def export(
    source: Source,
    trial: Annotated[
        str | None,
        typer.Option(metavar="N", help="Number of a run's trial, or best. Default: best."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = "config",
    output: Output = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    weights: Weights = None,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Write a network as a config that rebuilds it, or (a folder) as ONNX or PyTorch weights."""
    from nas.exports.source import address

    place = address(source, trial, out)
    if form == "config":
        shown = _config(place, out, output, force)
    else:
        shown = _folder(place, out, output, force, form, weights)
    if as_json:
        show_json({"path": shown["path"], "format": form} | shown)
    else:
        show_text(shown["path"])


def _config(place: str, out: Path, output: str | None, force: bool) -> dict[str, Any]:
    from nas.config import save
    from nas.exports.config import destination
    from nas.exports.source import config_at, name_of

    config = config_at(place, out)
    path = destination(output, name_of(place, config), force)
    save(config, path)
    return {"path": str(path)} | _origin(config)


def _folder(
    place: str, out: Path, output: str | None, force: bool, form: str, weights: Path | None
) -> dict[str, Any]:
    from nas.exports import onnx_folder, trained_folder
    from nas.exports.folder import destination
    from nas.exports.source import name_of
    from nas.inference.trained import open_trained

    if form == "onnx":
        onnx_folder.require()
    trained = open_trained(place, out, weights)
    path = destination(output, f"{name_of(place, trained.config)}-{form}", force)
    if form == "onnx":
        checks = onnx_folder.write(trained, path, say)
    else:
        checks = trained_folder.write(trained, path)
    for each in checks:
        differences = ", ".join(f"{value:.1e}" for value in each.difference)
        say(f"{each.images} images: logits differ by at most {differences}, exit by exit")
    if len(checks) == 1:
        say("the data that the network was trained on are not here: checked on random images only")
    return {
        "path": str(path),
        **_origin(trained.config),
        "differences": [
            {"images": c.images, "max_abs": list(c.difference), "relative": c.relative}
            for c in checks
        ],
    }


def _origin(config: Any) -> dict[str, Any]:
    found = config.provenance
    return {"run": found and found.run, "trial": found and found.trial}
