"""The runner of an export: alone, with a deadline, and what it says of wrong input."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas.exits import NEVER
from nas.exports import onnx_folder
from nas.onnx_runner.__main__ import main
from nas.onnx_runner.errors import InputError
from nas.onnx_runner.runner import Runner
from tests.nas.ready_networks import IMAGE, images, small_with_exits, trained

ALONE = """
import runpy, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"nas", "torch", "search_spaces", "onnx", "pydantic", "yaml"}:
            raise AssertionError(name + " is not to be imported")
sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv[1])
sys.argv = ["onnx_runner", *sys.argv[1:]]
runpy.run_module("onnx_runner", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exports") / "whole"
    onnx_folder.write(trained(small_with_exits("resnet", exits=4)), path)
    return path


@pytest.fixture
def export(whole: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return shutil.copytree(whole, tmp_path / "export")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(images(1)[0].transpose(1, 2, 0)).save(path)
    return path


def alone(*arguments: object) -> CompletedProcess[str]:
    """Run the runner of an export in a process that has nothing of ours, and no torch."""
    command = [sys.executable, "-I", "-c", ALONE, *map(str, arguments)]
    return run(command, capture_output=True, text=True, check=False)


def changed(export: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = export / "policy.json"
    policy = json.loads(path.read_text())
    change(policy)
    path.write_text(json.dumps(policy))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([*map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_it_runs_alone_from_its_folder(whole: Path, picture: Path) -> None:
    done = alone(whole, picture, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = json.loads(done.stdout)
    seen = Runner(whole).predict(picture)
    assert row.pop("ms") > 0
    assert row.pop("late_ms") == 0
    assert row == {
        "image": str(picture),
        "class": seen.class_name,
        "label": seen.label,
        "confidence": seen.confidence,
        "exit": seen.exit,
        "exits": len(Runner(whole).thresholds),
    }
    line = alone(whole, picture).stdout
    assert line.startswith(f"{picture}: {seen.class_name}, confidence {seen.confidence:.4f}, exit ")
    assert line.count("\n") == 1


def test_a_mistake_is_one_line_there_too(whole: Path, tmp_path: Path) -> None:
    done = alone(whole, tmp_path / "none.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {tmp_path / 'none.png'}: no such image file or folder\n"


def test_a_folder_is_every_image_in_it(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, mode in (("b.png", "RGB"), ("a.jpg", "L"), (".hidden.png", "RGB")):
        Image.new(mode, (50, 40), 99 if mode == "L" else (9, 99, 200)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    assert main([str(whole), str(folder), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [Path(row["image"]).name for row in rows] == ["a.jpg", "b.png"]


def test_a_file_is_answered_as_its_pixels(whole: Path, picture: Path) -> None:
    runner = Runner(whole)
    runner.thresholds = (0.0,) * len(runner.thresholds)
    together, seen = runner.classify(images(1)), runner.predict(picture)
    assert (seen.label, seen.exit) == (together.answers[0], together.exits[0] + 1)
    assert seen.confidence == together.confidence[0]
    assert runner.loaded == (0,)


class Clock:
    """Every look at it is a millisecond later than the one before."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-3
        return self.now


def test_the_deadline_decides_how_far_an_image_gets(whole: Path, picture: Path) -> None:
    runner = Runner(whole, clock=Clock())
    exits = len(runner.thresholds)
    runner.thresholds = (NEVER,) * (exits - 1) + (0.0,)
    # By this clock reading the file takes no time, a stage 1 ms, and warming up as long.
    reached = [runner.predict(picture, deadline).exit for deadline in (0.1, 2.5, 3.5, 1000)]
    assert reached == [1, 2, 3, exits]
    assert runner.predict(picture).exit == exits
    runner.thresholds = (0.0,) * exits
    assert runner.predict(picture).exit == 1
    assert runner.predict(picture, 1000).exit == exits  # it says how long, not how sure


def test_a_policy_that_does_not_fit_is_refused(
    export: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exits = len(Runner(export).thresholds)
    changed(export, lambda policy: policy["exits"]["thresholds"].pop(0))
    told = refusal(capsys, export, picture)
    assert f"policy.json: {exits - 1} thresholds for {exits} stages" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p["exits"]["thresholds"].append("sure"), "no list of float"),
        (lambda p: p["exits"]["thresholds"].__setitem__(-1, 0.5), "last threshold must be 0.0"),
        (lambda p: p["exits"]["temperatures"].pop(), "temperatures for"),
        (lambda p: p["exits"]["temperatures"].__setitem__(0, 0), "temperatures must be above 0"),
        (lambda p: p["preprocessing"]["std"].pop(), "one value for each of the 3 channels"),
        (lambda p: p["image"].pop(), "has not 3 values"),
        (lambda p: p.update(schema_version=2), "schema version 2; this runner reads 1"),
        (lambda p: p.pop("stages"), "no 'stages'"),
        (lambda p: p.update(stages=[]), "0 stages"),
    ],
)
def test_a_damaged_policy_is_refused(
    export: Path,
    picture: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], object],
    told: str,
) -> None:
    changed(export, change)
    assert told in refusal(capsys, export, picture)


def test_missing_and_damaged_files_are_named(
    export: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "policy.json: cannot be read" in refusal(capsys, tmp_path, picture)
    assert "not a readable image" in refusal(capsys, export, export / "policy.json")
    assert "no images in it" in refusal(capsys, export, export / "onnx_runner")
    (export / "stage1.onnx").write_bytes(b"no network")
    assert "stage1.onnx: cannot be loaded" in refusal(capsys, export, picture)
    (export / "stage2.onnx").unlink()
    assert "stage2.onnx: no such file" in refusal(capsys, export, picture)
    (export / "policy.json").write_text("{")
    assert "policy.json: no JSON" in refusal(capsys, export, picture)


def test_pixels_and_thresholds_of_another_shape_are_refused(whole: Path) -> None:
    runner = Runner(whole)
    grey = np.zeros((2, 1, *IMAGE[1:]), np.uint8)
    for wrong in (grey, np.zeros((2, *IMAGE), np.float32), np.zeros(IMAGE, np.uint8)):
        with pytest.raises(InputError, match="expected uint8"):
            runner.classify(wrong)
    for thresholds in ((0.0,), (), (0.5,) * len(runner.thresholds)):
        with pytest.raises(InputError, match="are needed"):
            runner.thresholds = thresholds


def test_the_command_takes_a_threshold_and_a_time(
    whole: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def exit_at(*options: str) -> dict[str, Any]:
        assert main([str(whole), str(picture), *options, "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        return dict(row)

    assert exit_at("--threshold", "0")["exit"] == 1
    patient = exit_at("--deadline", "1000000ms")
    assert (patient["exit"], patient["late_ms"]) == (patient["exits"], 0)
    hurried = exit_at("--deadline", "0.001")
    assert hurried["exit"] == 1
    assert hurried["late_ms"] == pytest.approx(hurried["ms"] - 0.001)
