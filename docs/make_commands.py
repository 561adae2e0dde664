"""Write the generated parts of ``docs/commands.md``: usage, arguments and options of each command.

    python -m docs.make_commands

They stand between ``<!-- nas NAME -->`` and ``<!-- end -->``; what is written around them stays. A
command without such a place gets a section at the end of the file.
"""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer

from nas.cli.main import app

PAGE = Path(__file__).with_name("commands.md")


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by all its words: "describe", "latency fit"."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield before + name, command


def _callbacks(group: typer.Typer, before: str = "") -> Iterator[tuple[str, Any]]:
    for info in group.registered_commands:
        yield f"{before}{info.name}", info.callback
    for part in group.registered_groups:
        assert part.typer_instance is not None
        yield from _callbacks(part.typer_instance, f"{before}{part.name} ")


COMMANDS: Mapping[str, Any] = dict(_commands(typer.main.get_command(app)))
CALLBACKS = dict(_callbacks(app))
WORDS = {int: "NUMBER", float: "NUMBER", str: "TEXT", Path: "PATH"}
END = "<!-- end -->"


def written(text: str) -> str:
    """Return the page with its generated parts as they should be."""
    for name in COMMANDS:
        part = f"{_start(name)}\n\n{generated(name)}\n\n{END}"
        place = re.compile(re.escape(_start(name)) + r".*?" + re.escape(END), re.DOTALL)
        if place.search(text):
            text = place.sub(part.replace("\\", r"\\"), text)
        else:
            text = f"{text.rstrip()}\n\n## nas {name}\n\n{part}\n"
    return text


def generated(name: str) -> str:
    """Return the generated part of one command as Markdown."""
    command = COMMANDS[name]
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    said = " ".join(inspect.cleandoc(command.help).split())
    usage = " ".join(["nas", name, *map(_usage, arguments), "[OPTIONS]"])
    parts = [said, f"Usage: `{usage}`"]
    if arguments:
        rows = [(f"`{_value(name, each)}`", _meaning(each)) for each in arguments]
        parts.append(_table("argument", rows))
    parts.append(_table("option", [(_option(name, each), _meaning(each)) for each in options]))
    return "\n\n".join(parts)


def named(words: Sequence[str]) -> str | None:
    """Return the command that words begin with, None for none."""
    for count in (2, 1):
        if (name := " ".join(words[:count])) in COMMANDS:
            return name
    return None


def _start(name: str) -> str:
    return f"<!-- nas {name} -->"


def _usage(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _option(command: str, option: Any) -> str:
    names = ", ".join(f"`{each}`" for each in (*option.opts, *option.secondary_opts))
    value = _value(command, option)
    return f"{names} {value}" if value else names


def _value(command: str, parameter: Any) -> str:
    """What stands for the value: its own word, or one of its type; nothing for a flag."""
    if parameter.metavar:
        return str(parameter.metavar)
    (kind,) = _kinds(get_type_hints(CALLBACKS[command])[parameter.name])
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    return "" if kind is bool else WORDS[kind]


def _kinds(hint: Any) -> list[Any]:
    """The types in a hint, but None."""
    if get_origin(hint) is Literal or not get_args(hint):
        return [hint]
    return [each for each in get_args(hint) if each is not type(None)]


def _meaning(parameter: Any) -> str:
    said = " ".join(parameter.help.split())
    if parameter.default in (None, False) or "Default:" in said:
        return said
    return f"{said} Default: {parameter.default}."


def _table(what: str, rows: list[tuple[str, str]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in [(what, ""), *rows]]
    lines = [f"| {left} | {right} |" for left, right in cells]
    return "\n".join([lines[0].replace("|  |", "| |"), "|---|---|", *lines[1:]])


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
