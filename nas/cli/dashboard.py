"""``nas dashboard`` and ``nas report``: the results as a page."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.output import say, show_json, show_text
from nas.cli.values import RUNS, Force, Json, Out
from nas.errors import UserError

PORT = 8787
_NEEDED = ("plotly", "starlette", "uvicorn")


def dashboard(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Runs to show. Default: all under --out."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")
    ] = PORT,
    out: Out = RUNS,
) -> None:
    """Show runs as a page in the browser, also while they go on; Ctrl-C ends it.

    The page is for this machine alone. From another one: ssh -L 8787:127.0.0.1:8787 MACHINE.
    """
    require()
    from nas.dashboard.serving import serve
    from nas.run import open_run

    if not runs and not out.is_dir():
        raise UserError(f"there is no folder {str(out)!r} of runs; name runs, or another --out")
    opened = [open_run(run, out) for run in dict.fromkeys(runs or ())]
    ended = serve(opened, None if runs else out.absolute(), port, show_text)
    say("stopped; the runs are as they were")
    if not ended:  # nothing is written, so nothing can be lost
        sys.stdout.flush()
        os._exit(0)


def report(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="The runs' names under --out, or paths.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE.html", help="The file to write.")
    ],
    force: Force = False,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Write runs as one page that opens from disk, without a server."""
    require()
    from nas.cli.long_work import reporting
    from nas.dashboard.report import write
    from nas.run import open_run

    opened = [open_run(run, out) for run in dict.fromkeys(runs)]
    with reporting("stopped; no report was written") as progress:
        size = write(opened, output, force, progress.say)
    if as_json:
        show_json({"path": str(output), "bytes": size})
    else:
        show_text(str(output))


def require() -> None:
    """Raise UserError where what the page is made with is not installed."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(
            f"the page needs {', '.join(missing)}: pip install 'nas-platform[dashboard]'"
        )
