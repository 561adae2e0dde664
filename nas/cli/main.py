"""The command ``nas``: its subcommands, and how it ends when something is wrong.

A user's mistake is one line on standard error and exit code 2; one of ours keeps its traceback.
"""

import errno
import sys
from collections.abc import Sequence

import typer

from controllers.errors import ControllerError
from latency.errors import LatencyError
from nas.cli import (
    dashboard,
    describe,
    evaluate,
    export,
    latency,
    predict,
    repair,
    runs,
    scale,
    search,
    spaces,
    train,
)
from nas.cli.output import say
from nas.errors import UserError
from nas.onnx_runner.errors import InputError
from search_spaces.errors import SpaceError

MISTAKES = (UserError, InputError, SpaceError, ControllerError, LatencyError)

app = typer.Typer(
    name="nas",
    help="Search for networks that are accurate and fast on your own device.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("spaces")(spaces.spaces)
app.command("describe")(describe.describe)
app.command("scale")(scale.scale)
app.command("search")(search.search)
app.command("resume")(search.resume)
app.command("repair")(repair.repair)
app.command("runs")(runs.runs)
app.command("status")(runs.status)
app.command("trials")(runs.trials)
app.command("pareto")(runs.pareto)
app.add_typer(latency.app, name="latency")
app.command("dashboard")(dashboard.dashboard)
app.command("report")(dashboard.report)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("predict")(predict.predict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``nas`` with these arguments (those of the process by default); return the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = app(given or ["--help"], prog_name="nas", standalone_mode=False)
    except typer.TyperException as error:
        return _refuse(error.format_message() if hasattr(error, "format_message") else str(error))
    except MISTAKES as error:
        return _refuse(str(error))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return _refuse(f"{str(error.filename)[:40]}...: no file has so long a name")
    return code if isinstance(code, int) else 0


def _refuse(message: str) -> int:
    say("error: " + " ".join(message.split()))
    return 2
