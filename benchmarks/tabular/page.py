"""The page of results: what was searched, by which command, and what it found."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from nas import atomic
from nas.errors import UserError


def refuse_page(path: Path) -> None:
    """Raise UserError for a file that is no .md, and where there is no folder."""
    if path.suffix != ".md":
        raise UserError(f"cannot write {path}: the name must end in .md")
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")


def save(path: Path, arguments: Sequence[str], words: str, figures: str) -> None:
    """Write a page, replacing what is there. Raises UserError where it cannot be written.

    arguments: of the command. words: a sentence on what is in `figures`, Markdown.
    """
    text = f"# Controllers on a table\n\n`{command(arguments)}`\n\n{words}\n\n{figures}\n"
    try:
        atomic.write(path, text.encode())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def command(arguments: Sequence[str]) -> str:
    """Return the command as it was given, absolute paths, which are one machine's, by name."""
    return shlex.join(["python", "benchmarks/controllers.py", *map(_anywhere, arguments)])


def _anywhere(argument: str) -> str:
    option, equals, value = argument.rpartition("=")
    return f"{option}{equals}{Path(value).name}" if Path(value).is_absolute() else argument
