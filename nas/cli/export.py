"""``nas export``: one network of a run as a file."""

from typing import Annotated, Literal

import typer

from nas.cli.output import show_json, show_text
from nas.cli.values import RUNS, Force, Json, Out, Output, Run


def export(
    run: Run,
    trial: Annotated[str, typer.Option(help="Number of the trial, or best.")] = "best",
    form: Annotated[Literal["config"], typer.Option("--format", help="What to write.")] = "config",
    output: Output = None,
    force: Force = False,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Write a network of a run as a config file that rebuilds it exactly."""
    from nas.config import save
    from nas.exports.config import config_of, destination
    from nas.results import record
    from nas.run import open_run

    opened = open_run(run, out)
    chosen = record(opened, trial)
    config = config_of(opened, chosen)
    path = destination(output, f"{opened.name}-{chosen.trial}", force)
    save(config, path)
    if as_json:
        show_json({"path": str(path), "format": form, "run": opened.name, "trial": chosen.trial})
    else:
        show_text(str(path))
