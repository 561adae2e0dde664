"""``nas predict``: what a trained network answers to image files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.output import show_json, show_text
from nas.cli.values import RUNS, Json, Out, Weights
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.onnx_runner.__main__ import Answer


def predict(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A trained network's folder or config, RUN:TRIAL, or an export."
        ),
    ],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Image files, or folders of them.")
    ],
    threshold: Annotated[
        float | None,
        typer.Option(help="Leave at the first exit as sure as this. Default: the network's own."),
    ] = None,
    deadline: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Answer within this time, such as 5ms, however sure."),
    ] = None,
    weights: Weights = None,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Show the class, the confidence, the exit taken and the milliseconds of each image."""
    from nas.onnx_runner.__main__ import line, row
    from nas.onnx_runner.images import found
    from nas.quantities import latency_ms
    from nas.training.steps import threads

    limit_ms = None if deadline is None else latency_ms(deadline)
    if threshold is not None and limit_ms is not None:
        raise UserError("--threshold and --deadline exclude each other")
    paths = found(images)
    rows = []
    with threads(1):
        answer, exits = _opened(source, out, weights, threshold, limit_ms)
        for path in paths:
            rows.append(row(path, answer(path), exits))
            if not as_json:
                show_text(line(rows[-1]))
    if as_json:
        show_json(rows)


def _opened(
    source: str, out: Path, weights: Path | None, threshold: float | None, limit_ms: float | None
) -> "tuple[Callable[[Path], Answer], int]":
    """What answers to an image file, and how many exits it has."""
    from nas.exits import single_threshold
    from nas.onnx_runner.policy import POLICY
    from nas.onnx_runner.runner import Runner

    if (Path(source) / POLICY).is_file():
        if weights is not None:
            raise UserError(f"--weights {weights}: the export {source} has its own")
        runner = Runner(source)
        exits = len(runner.thresholds)
        if threshold is not None:
            runner.thresholds = single_threshold(threshold, exits).thresholds
        return lambda path: runner.predict(path, limit_ms), exits

    from nas.inference.predictor import warm
    from nas.inference.trained import open_trained

    trained = open_trained(source, out, weights)
    exits = len(trained.policy.thresholds)
    if threshold is not None:
        trained = replace(trained, policy=single_threshold(threshold, exits))
    predictor = warm(trained)
    return lambda path: predictor.predict(path, limit_ms), exits
