"""A user's mistake is one line and exit code 2; ours keeps its traceback."""

import json
from pathlib import Path

import numpy as np
import pytest

from nas import description, plugins
from nas.cli.main import main

FOLDERS = {"missing": None, "empty": [], "one-class": ["train/cat"]}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail; return its line."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serch"], "Did you mean 'search'"),
        (["spaces", "--jsn"], "--jsn"),
        (["spaces", "msf"], "did you mean 'msd'"),
        (["describe"], "ARCH"),
        (["describe", "msdnet-cifar-anytime-77"], "msdnet-cifar-anytime-7"),
        (["describe", "gone.yaml"], "gone.yaml: no such file"),
        (["describe", "gone:3"], "no run 'gone'"),
        (["describe", "msdnet-cifar-anytime-7", "--image", "3x32"], "3x32x32"),
        (["describe", "msdnet-cifar-anytime-7", "--image", "0"], "image '0'"),
        (["describe", "msdnet-cifar-anytime-7", "--classes", "1"], "classes"),
        (
            ["describe", "msdnet-cifar-anytime-7", "--latency", "--runtime", "onx"],
            "unknown runtime",
        ),
        (["search", "--space", "msf"], "unknown search space 'msf'"),
        (["search", "--controller", "tp"], "unknown controller 'tp'"),
        (["search", "--data", "digit"], "digits"),
        (["search", "--target-latency", "0"], "'0'"),
        (["search", "--target-latency", "-1ms"], "'-1ms'"),
        (["search", "--target-latency", "fast"], "'fast'"),
        (["search", "--max-parameters", "1.5"], "'1.5' is not a number such as 2M"),
        (["search", "--max-macs", "none"], "'none'"),
        (["search", "--trials", "0"], "trials"),
        (["search", "--trials", "many"], "--trials"),
        (["search", "--max-time", "soon"], "'soon'"),
        (["search", "--w", "0.5"], "0.5"),
        (["search", "--w", "-0.1", "--hard"], "hard"),
        (["search", "--objective", "speed"], "'speed'"),
        (["search", "--runtime", "onx"], "unknown runtime 'onx'"),
        (["search", "--device", "fridge"], "fridge"),
        (["search", "--executor", "threads"], "threads"),
        (["search", "--workers", "0"], "workers"),
        (["search", "--name", "../up"], "'../up'"),
        (["search", "--config", "gone.yaml"], "gone.yaml"),
        (["resume", "gone"], "no run 'gone'"),
        (["status", "gone"], "no run 'gone'"),
        (["trials", "gone"], "no run 'gone'"),
        (["pareto", "gone"], "no run 'gone'"),
        (["pareto", "gone", "--target-latency", "fast"], "'fast'"),
        (["export", "gone"], "no run 'gone'"),
        (["export", "gone", "--format", "onx"], "onx"),
    ],
)
def test_one_line_names_what_is_wrong(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert said in refused(arguments, capsys)
    assert list(tmp_path.iterdir()) == []  # nothing is written before everything is known good


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("space: msd\nepoch: 3\n", "'epoch'"),
        ("space: msf\n", "unknown search space 'msf'"),
        ("schema_version: 99\nspace: msd\n", "99"),
        ("trials: 0\n", "trials"),
        ("- space\n", "mapping"),
        ("space: [\n", "settings.yaml"),
    ],
)
def test_a_bad_settings_file_is_refused(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("settings.yaml").write_text(text)
    assert said in refused(["search", "--config", "settings.yaml"], capsys)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema_version: 99\nspace: msd\nversion: 1\ndecisions: {}\n", "newer"),
        ("schema_version: 1\nspace: msd\nversion: 1\ndecisions: {}\ncolour: red\n", "'colour'"),
        ("schema_version: 1\nspace: msf\nversion: 1\ndecisions: {}\n", "unknown search space"),
    ],
)
def test_a_bad_network_file_is_refused(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("network.yaml").write_text(text)
    assert said in refused(["describe", "network.yaml"], capsys)


def test_a_choice_outside_the_space_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    network = plugins.space("msd").sample(np.random.default_rng(0)).to_json()
    network["decisions"]["blocks"] = 77
    Path("network.json").write_text(json.dumps({"schema_version": 1, **network}))
    assert "77" in refused(["describe", "network.json"], capsys)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_without_images_of_two_classes_is_refused(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in FOLDERS[folder] or ():
        image = Path(folder, part, "a.pgm")
        image.parent.mkdir(parents=True)
        image.write_bytes(b"P5 8 8 255\n" + bytes(64))
    if FOLDERS[folder] is not None:
        Path(folder).mkdir(exist_ok=True)
    assert folder in refused(["search", "--data", folder], capsys)


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(description, "describe", broken)
    with pytest.raises(ZeroDivisionError, match="ours"):
        main(["describe", "msdnet-cifar-anytime-7"])


def test_nas_alone_is_help_and_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert "search" in out
    assert err == ""
