"""The README names what exists, and everything that a newcomer would type."""

import ast
import re
from pathlib import Path

import typer

from nas.cli.main import app

README = Path(__file__).parents[1].joinpath("README.md").read_text()
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_every_command_is_in_the_table() -> None:
    for name in COMMANDS:
        assert f"[`nas {name}" in README, f"the README does not name nas {name}"


def test_every_command_typed_in_the_readme_exists_with_its_options() -> None:
    for line in re.findall(r"^(?:\$ )?nas (.+)$", README, flags=re.MULTILINE):
        name, *words = line.split()
        assert name in COMMANDS, line
        known = {option for each in COMMANDS[name].params for option in each.opts}
        assert {word for word in words if re.match("--?[a-z]", word)} <= known, line


def test_options_of_the_table_are_options_of_search() -> None:
    known = {o for each in COMMANDS["search"].params for o in (*each.opts, *each.secondary_opts)}
    table = README.split("| option | |")[1].split("\n\n")[0]
    named = set(re.findall(r"`(--[a-z-]+)", table))
    assert named
    assert named <= known


def test_the_python_example_is_python_and_the_picture_is_there() -> None:
    ast.parse(README.split("```python\n")[1].split("```")[0])
    for picture in re.findall(r"!\[.*?\]\((.+?)\)", README):
        assert Path(__file__).parents[1].joinpath(picture).is_file()
