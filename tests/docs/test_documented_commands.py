"""Every command of the README and of docs/ is run as it stands there, or marked with why not.

What is changed, and nothing else: SHORT says which options are added to searches and trainings so
that they take seconds, and each page starts in a folder with the inputs of `inputs.prepared`, which
is its HOME too. Of an output that a page shows, the lines without a digit must be printed.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nas
from docs.make_commands import named
from nas import searches
from nas.cli.main import main
from tests.docs import servers
from tests.docs.fences import IN_CHECKOUT, MARKS, PAGES, ROOT, RUN, SHOWN, Fence, fences, steps
from tests.docs.inputs import prepared
from tests.docs.installed import installed
from tests.nas.simulated_search import drive, simulated_run

SEARCH = {
    "trials": 3, "epochs": 1, "limit": 60, "image": 8, "target_latency": "1ms",
    "runtime": "macs", "executor": "inline", "workers": 1,
}  # fmt: skip
SHORT = {
    "search": {name.replace("_", "-"): str(value) for name, value in SEARCH.items()},
    "train": {"epochs": "1", "limit": "60", "threads": "1"},
    "latency fit": {"samples": "9", "image": "8"},
}
RUN_AT_HAND = {"dashboard.md"}  # pages that take a run "digits" for granted
KEPT = {"runtime"}  # stays where a page gives it
EXAMPLE = {"own-space.md": "own_space", "own-device.md": "own_runtime"}
SLOW = {
    "commands.md",
    "dashboard.md",
    "latency.md",
    "own-data.md",
    "own-device.md",
    "own-space.md",
    "python.md",
    "tune.md",
    "tutorial.md",
}
SHELL = set("|&;<>$*")


def ids(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    marks = re.findall(r"```|~~~", page.read_text(encoding="utf-8"))
    assert len(marks) == 2 * len(fences(page)), f"{page.name}: a block that is indented or open"
    for fence in fences(page):
        assert fence.language in (*RUN, *SHOWN), f"{fence.where}: {fence.language!r}"
        others = {word for word in fence.words if "." not in word}
        assert others <= {*MARKS, IN_CHECKOUT}, f"{fence.where}: {others}"
        if fence.language in SHOWN:
            for line in fence.text.splitlines():
                first = line.removeprefix("$ ").split(" ")[0]
                assert not line.startswith("$ "), f"{fence.where}: {line}"
                assert first not in ("nas", "python", "pip", "make"), f"{fence.where}: {line}"


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=pytest.mark.slow if p.name in SLOW else []) for p in PAGES],
    ids=ids,
)
def test_what_a_page_says_can_be_typed(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    prepared(there)
    if page.name in RUN_AT_HAND:
        drive(simulated_run(there / "results", name="digits", trials=4))
    monkeypatch.setenv("HOME", str(there))
    monkeypatch.setattr(searches, "search", _shortened(searches.search))
    with contextlib.ExitStack() as stack:
        folders = []
        if page.name in EXAMPLE:
            folders = stack.enter_context(installed(EXAMPLE[page.name], tmp_path / "site"))
        _type(page, there, _path(tmp_path / "bin", folders), monkeypatch)


def _type(
    page: Path, there: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for fence in fences(page):
        monkeypatch.chdir(ROOT if IN_CHECKOUT in fence.words else there)
        if fence.file is not None:
            _file(fence, fence.file)
        elif fence.runs and fence.language == "python":
            code = compile("\n" * fence.line + fence.text, str(fence.page), "exec")
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, names)
        elif fence.runs:
            for step in steps(fence):
                code, said = _run(step.command, environment, monkeypatch)
                assert code == 0, f"{fence.where}: {step.command}: exit code {code}\n{said}"
                _compare(step.shown, said, f"{fence.where}: {step.command}")


def _file(fence: Fence, name: str) -> None:
    """A file of the checkout must be what the page shows of it; any other is written."""
    if (known := ROOT / name).is_file():
        assert fence.text in known.read_text(encoding="utf-8"), f"{fence.where}: {name} differs"
    else:
        Path(name).write_text(fence.text, encoding="utf-8")


def _run(
    command: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str]:
    """The exit code and standard output of a command; `nas` in this process."""
    words = shlex.split(command, comments=True)
    if words[0] == "cd":
        monkeypatch.chdir(Path(words[1]).expanduser())
        return 0, ""
    if words[0] == "nas" and not SHELL & set(command):
        words = [str(Path(w).expanduser()) if w.startswith("~") else w for w in words[1:]]
        if words[0] in servers.SERVERS:
            return servers.visited(words, environment)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            return main([*words, *_short(words)]), said.getvalue()
    done = subprocess.run(
        ["bash", "-ec", command], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout if done.returncode == 0 else done.stdout + done.stderr


def _short(words: list[str]) -> list[str]:
    """What is added to a command so that it is short."""
    if words[0] == "resume" and "--trials" in words:
        return ["--trials", "+1"]
    more = SHORT.get(named(words) or "", {})
    if "asha" in words:
        more = more | {"epochs": "2"}  # networks are compared on their way
    given = {name for name in KEPT if f"--{name}" in words}
    return [word for name in more if name not in given for word in (f"--{name}", more[name])]


def _shortened(search: Any) -> Any:
    def short(space: str = "msd", **options: Any) -> nas.run.Run:
        return search(space, **{**options, **SEARCH})

    return short


def _compare(shown: tuple[str, ...], said: str, where: str) -> None:
    printed = {" ".join(line.split()) for line in said.replace(f"{Path.cwd()}/", "").splitlines()}
    for line in shown:
        squeezed = " ".join(line.split())
        if squeezed and squeezed != "..." and not any(letter.isdigit() for letter in squeezed):
            assert squeezed in printed, f"{where}: no line {squeezed!r} in\n{said}"


def _path(folder: Path, packages: list[str]) -> dict[str, str]:
    """An environment with `nas` and the tests' own `python` on its path."""
    folder.mkdir()
    start = f'exec {shlex.quote(sys.executable)} -c "import sys; from nas.cli.main import main; '
    (folder / "nas").write_text(f'#!/bin/sh\n{start}sys.exit(main())" "$@"\n')
    (folder / "nas").chmod(0o755)
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": ":".join([str(ROOT), *packages])}


def test_a_command_that_fails_fails_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nnas status gone\n```\n")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(AssertionError, match="exit code 2"):
        _type(page, tmp_path, dict(os.environ), patch)


def test_an_output_that_is_no_longer_so_fails_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ nas spaces\nspace  colour\n```\n")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(AssertionError, match="no line"):
        _type(page, tmp_path, dict(os.environ), patch)


def test_a_block_that_nobody_would_run_is_refused(tmp_path: Path) -> None:
    for before in ("```", "```sh later", "```text", "* ```sh"):
        page = tmp_path / "page.md"
        page.write_text(f"{before}\nnas spaces\n```\n")
        with pytest.raises(AssertionError):
            test_every_block_is_run_or_says_why_not(page)
