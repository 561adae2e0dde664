"""Names are but names: nothing is written outside, nothing is obeyed, what was written is read."""

import io
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from nas import config, settings
from nas.cli import output
from nas.cli.main import main
from nas.data.dataset import DataSpec
from nas.data.load import load
from nas.errors import UserError
from nas.onnx_runner.terminal import printable
from nas.progress import Lines
from nas.run import free_name, numbered
from nas.store import Store, read
from tests.nas.small_msd import SMALL
from tests.security.hostile_names import COUNT, names

NAMES = names()
HUNDRED = NAMES[:100]
ALL = [pytest.param(HUNDRED, id="100"), pytest.param(NAMES, id="500", marks=pytest.mark.slow)]
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def test_there_are_five_hundred_and_always_the_same() -> None:
    assert len(set(NAMES)) == COUNT
    assert names() == NAMES


def test_a_run_is_called_by_plain_letters_or_not_at_all() -> None:
    for name in NAMES:
        if PLAIN.fullmatch(name):
            assert settings.parse({"name": name}).name == name
        else:
            with pytest.raises(UserError, match=r"\A[^\n]*\Z"):
                settings.parse({"name": name})


@pytest.mark.parametrize("option", ["--name", "--space", "--controller", "--runtime", "--device"])
def test_no_option_of_a_search_makes_a_file_of_a_name(
    tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in NAMES[:30]:
        if PLAIN.fullmatch(name) or "\x00" in name:
            continue  # a good name, or one that no process can be given
        assert main(["search", f"{option}={name}"]) == 2
        shown, said = capsys.readouterr()
        assert shown == ""
        assert said.startswith("error: ")
        assert said == printable(said)
        assert said.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


@pytest.mark.parametrize("command", ["status", "resume", "describe", "export", "evaluate"])
def test_no_command_writes_or_runs_what_it_is_called_with(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in NAMES[:70]:
        if "\x00" not in name:
            assert main([command, "--", name]) == 2, name
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


def test_a_name_that_is_made_up_stays_in_its_folder(tmp_path: Path) -> None:
    for name in NAMES:
        made = numbered(tmp_path, name)
        assert (tmp_path / made).parent == tmp_path
        assert re.fullmatch(r"[A-Za-z0-9-]{0,60}", made)
        if "\x00" not in name:
            free = free_name(settings.parse({"data": name, "out": str(tmp_path)}))
            assert PLAIN.fullmatch(free)


def test_a_study_of_any_name_is_found_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    known = [name for name in NAMES if len(name) <= 512 and "\ud800" not in name][::50]
    for name in known:
        Store(url, name, ["maximize"]).close()
    for name in known:
        assert read(url, name) == []
    assert [path.name for path in tmp_path.iterdir()] == ["study.db"]


@pytest.mark.parametrize("given", ALL)
def test_a_config_gives_back_what_it_was_given(tmp_path: Path, given: list[str]) -> None:
    architecture = SMALL.sample(np.random.default_rng(0)).to_json()
    for name in given:
        parts = {
            "classes": (name, f"not {name}"),
            "exits": config.Exits(thresholds=(0.0,), found=name),
            "provenance": config.Provenance(run=name, seed=0, versions={name: name}, data={}),
        }
        try:
            name.encode()
        except UnicodeEncodeError:
            continue  # no text at all, which no file of ours can hold
        made = config.Config.of(architecture, **parts)
        for suffix in (".yaml", ".json"):
            config.save(made, tmp_path / f"network{suffix}")
            assert config.load(tmp_path / f"network{suffix}") == made, repr(name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.json", "network.yaml"]


@pytest.mark.parametrize("given", ALL)
def test_a_class_is_refused_or_can_be_shown(tmp_path: Path, given: list[str]) -> None:
    path, kept = tmp_path / "set.npz", 0
    images, labels = np.zeros((8, 8, 8), np.uint8), np.arange(8) % 2
    parts = {
        f"{part}_{kind}": value
        for part in ("train", "test")
        for kind, value in (("images", images), ("labels", labels))
    }
    for name in given:
        np.savez(path, **parts, classes=np.array([name, "other"]))
        stored = str(np.array([name])[0])  # numpy drops what is NUL at an end
        if stored and len(stored) < 256 and printable(stored) == stored and "\n" not in stored:
            kept += 1
            assert load(DataSpec(str(path))).classes == (stored, "other")
        else:
            with pytest.raises(UserError, match=r"\A[^\n]{1,400}\Z"):
                load(DataSpec(str(path)))
    assert len(given) / 4 < kept < len(given)


def test_two_classes_of_one_name_are_refused(tmp_path: Path) -> None:
    images, labels = np.zeros((8, 8, 8), np.uint8), np.arange(8) % 2
    parts = {
        f"{p}_{k}": v
        for p in ("train", "test")
        for k, v in (("images", images), ("labels", labels))
    }
    np.savez(tmp_path / "set.npz", **parts, classes=np.array(["cat", "cat"]))
    with pytest.raises(UserError, match="two classes have the name 'cat'"):
        load(DataSpec(str(tmp_path / "set.npz")))


def test_folders_of_hostile_names_are_classes_or_refused(tmp_path: Path) -> None:
    for number, name in enumerate(NAMES[:70]):
        folder = tmp_path / str(number)
        if not name or "/" in name or "\x00" in name or name[0] == ".":
            continue
        try:
            for part in ("train", "test"):
                for each in (name, "other"):
                    (folder / part / each).mkdir(parents=True)
                    for k in range(3):
                        image = folder / part / each / f"{k}.pgm"
                        image.write_bytes(b"P5 8 8 255\n" + bytes(64))
        except (OSError, UnicodeEncodeError):
            continue  # too long, or no name of a file
        if printable(name) == name and "\n" not in name:
            assert set(load(DataSpec(str(folder))).classes) == {name, "other"}
        else:
            with pytest.raises(UserError, match=r"\A[^\n]{1,400}\Z"):
                load(DataSpec(str(folder)))


@pytest.mark.parametrize("shows", ["show_text", "say", "show_table", "progress"])
def test_no_name_moves_the_cursor_of_a_terminal(
    shows: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    for name in NAMES:
        if shows == "show_table":
            output.show_table(("name",), [(name,)])
        elif shows == "progress":
            Lines(stream).say(name)
        else:
            getattr(output, shows)(name)
    shown, said = capsys.readouterr()
    seen = shown + said + stream.getvalue()
    assert len(seen) > 10_000
    kinds = {unicodedata.category(each) for each in set(seen) - {"\n", "\t"}}
    assert not {"Cc", "Cs"} & kinds
    assert not {unicodedata.bidirectional(each) for each in set(seen)} & {
        "RLO",
        "LRO",
        "RLI",
        "LRI",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a plain line, 2 ms\twide\n", "a plain line, 2 ms\twide\n"),
        ("naïve 猫 قطة 😀", "naïve 猫 قطة 😀"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_cannot_be_shown_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown
