"""How commands drive long work: progress on standard error, Ctrl-C as exit code 130."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from nas.cli.output import say

if TYPE_CHECKING:
    from nas.progress import Progress


@contextmanager
def reporting(kept: str) -> "Iterator[Progress]":
    """Give the progress that work inside reports to.

    kept: what to say after a Ctrl-C that came without a message of its own.
    """
    from nas import progress

    reporter = progress.on(sys.stderr)
    try:
        yield reporter
    except KeyboardInterrupt as stopped:
        reporter.close()
        say(str(stopped) or kept)
        raise typer.Exit(130) from None
    finally:
        reporter.close()
