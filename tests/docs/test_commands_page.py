"""docs/commands.md and the README name what exists, with its defaults."""

import re
from pathlib import Path

import pytest

from docs.make_commands import COMMANDS, PAGE, generated, named, written
from nas.settings import SearchSettings
from tests.docs.fences import PAGES, ROOT, fences, prose, steps

README = ROOT.joinpath("README.md").read_text(encoding="utf-8")
OF_PYTHON = {"--help"}
SEARCH = {each.name: each for each in COMMANDS["search"].params}


def test_the_page_is_what_the_script_writes() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text, "run: python -m docs.make_commands"


def test_a_command_that_the_page_lacks_gets_a_section() -> None:
    whole = written("# Commands\n")
    assert all(f"\n## nas {name}\n" in whole for name in COMMANDS)
    assert generated("pareto") in whole
    assert written(whole) == whole


def test_every_command_is_in_the_table_of_the_readme() -> None:
    for name in COMMANDS:
        assert f"[`nas {name}" in README, f"the README does not name nas {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_in_running_text_exists(page: Path) -> None:
    every = {
        o for each in COMMANDS.values() for p in each.params for o in (*p.opts, *p.secondary_opts)
    }
    for span in re.findall(r"`([^`\n]+)`", prose(page)):
        first, *words = span.split()
        if first == "nas" and words and words[0][0].islower():
            group = any(name.split()[0] == words[0] for name in COMMANDS) and not words[1:]
            assert named(words) or group, f"{page.name}: {span}"
        if first == "nas" or first.startswith("--"):
            given = {word.split("=")[0] for word in (first, *words) if re.match("--[a-z]", word)}
            assert given <= every | OF_PYTHON, f"{page.name}: {span}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_not_run_exists_with_its_options(page: Path) -> None:
    for fence in fences(page):
        if fence.language not in ("sh", "console") or fence.runs:
            continue
        for step in steps(fence):
            first, *words = step.command.split()
            if first != "nas":
                continue
            name = named(words)
            assert name is not None, fence.where
            known = {option for each in COMMANDS[name].params for option in each.opts}
            assert {word for word in words if re.match("--?[a-z]", word)} <= known, fence.where


def test_every_option_and_argument_says_what_it_is() -> None:
    for name, command in COMMANDS.items():
        assert command.help, name
        for each in command.params:
            assert each.help, f"nas {name}: {each.opts}"


def test_the_defaults_that_help_names_are_those_of_the_settings() -> None:
    told = {
        name: match[1]
        for name, each in SEARCH.items()
        if (match := re.search(r"Default: (.+)\.$", each.help))
    }
    plain = {
        name: str(field.default)
        for name, field in SearchSettings.model_fields.items()
        if name in told and isinstance(field.default, str | int | float) and field.default != ""
    }
    del plain["checkpoint"], plain["hard"]  # told in words: no, soft
    assert {"space", "controller", "trials", "limit", "seed", "runtime", "executor"} <= plain.keys()
    for name, value in plain.items():
        assert float(told[name]) == float(value) if value[0].isdigit() else told[name] == value
    settings = [name for name in SEARCH if name in SearchSettings.model_fields]
    assert set(settings) == set(told)
