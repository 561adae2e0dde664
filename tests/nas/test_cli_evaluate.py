"""``nas evaluate`` on a network that was really trained."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from nas.cli.main import main
from nas.config import load, save
from tests.nas import trained_msd


class Told:
    """Runs ``nas evaluate`` on the network, timed by the simulated device."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def run(self, *arguments: str, arch: Path | None = None) -> int:
        self._capsys.readouterr()
        return main(["evaluate", str(arch or self.folder), "--runtime", "macs", *arguments])

    def text(self, *arguments: str) -> str:
        assert self.run(*arguments) == 0
        return self._capsys.readouterr().out

    def json(self, *arguments: str, arch: Path | None = None) -> Any:
        assert self.run(*arguments, "--json", arch=arch) == 0
        return json.loads(self._capsys.readouterr().out)

    def refusal(self, *arguments: str, arch: Path | None = None) -> str:
        """The one line that is said, whatever progress was shown before."""
        assert self.run(*arguments, arch=arch) == 2
        out, err = self._capsys.readouterr()
        assert out == ""
        (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
        assert err.endswith(line + "\n")
        return line

    def hint(self, *arguments: str) -> str:
        assert self.run(*arguments) == 0
        return self._capsys.readouterr().err


@pytest.fixture
def told(trained_digits: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Told:
    return Told(Path(shutil.copytree(trained_digits, tmp_path / "network")), capsys)


def test_without_flags_exits_and_the_own_policy_are_shown(told: Told) -> None:
    text = told.text()
    assert "397 test images of digits (8x8 digits, resized" in text
    assert "policy: by hand" in text
    assert "p95" in text
    assert "worst" in text
    assert "ms: macs on simulated" in text
    header = next(line for line in text.splitlines() if line.startswith("exit"))
    for column in ("accuracy %", "held-out %", "MACs", "ms", "threshold", "leave here %"):
        assert column in header
    assert "anytime:" not in text
    assert "budgeted batch" not in text
    assert "-o DIR" in told.hint()


def test_curves_are_tables(told: Told) -> None:
    text = told.text("--anytime", "--budget")
    anytime, macs, ms = text.split("\n\n")[-3:]
    assert len(anytime.splitlines()) == 2 + trained_msd.EXITS
    for table, unit in ((macs, "MACs"), (ms, "ms")):
        assert f"mean {unit} of an image" in table.splitlines()[0]
        assert len(table.splitlines()) == 2 + 20
        assert "gap %" in table


def test_json_has_every_figure(told: Told) -> None:
    plain = told.json()
    assert plain["curves"] is None
    assert plain["policy"]["thresholds"] == [0.9, 0.8, 0.0]
    found = told.json("--budget")
    assert [len(found["curves"][name]) for name in ("macs", "latency_ms", "official")] == [
        20,
        20,
        39,
    ]
    assert found["policy"] == plain["policy"]
    held_out = told.json("--split", "held-out")
    assert held_out["images"] == {"held_out": 500, "test": None}
    assert held_out["policy"]["reached"]["held_out"] == plain["policy"]["reached"]["held_out"]


def test_other_policies_are_judged(told: Told) -> None:
    one = told.json("--threshold", "0.8")["policy"]
    assert one["thresholds"] == [0.8, 0.8, 0.0]
    exits = told.json()["exits"]
    each = told.json("--within", "2.5M")["policy"]
    assert each["reached"]["test"]["shares"] == [0, 1, 0]
    assert each["reached"]["test"]["accuracy"] == exits[1]["accuracy"]["test"]["accuracy"]
    shared = told.json("--budget", "--within", "2.5M")["policy"]
    assert 0.98 * 2.5e6 <= shared["reached"]["held_out"]["macs"] <= 2.5e6
    assert shared["reached"]["held_out"]["shares"][2] > 0.1
    milliseconds = told.json("--within", f"{exits[0]['latency_ms'] * 1.01}ms")["policy"]
    assert milliseconds["reached"]["test"]["shares"] == [1, 0, 0]


def test_a_folder_is_written(told: Told, tmp_path: Path) -> None:
    folder = tmp_path / "judged"
    told.text("-o", str(folder))
    assert sorted(path.name for path in folder.iterdir()) == [
        "anytime.svg",
        "budget.svg",
        "easy.png",
        "evaluation.json",
        "hard.png",
    ]
    written = json.loads((folder / "evaluation.json").read_text())
    assert len(written["curves"]["official"]) == 39


def test_a_calibrated_config_is_used_like_any_other(told: Told, tmp_path: Path) -> None:
    folder = tmp_path / "calibrated"
    text = told.text("--calibrate", "-o", str(folder))
    assert "calibration error %" in text
    first = json.loads((folder / "evaluation.json").read_text())
    again = told.json("--split", "test", arch=folder)
    assert again["policy"] == first["policy"]
    assert [e["temperature"] for e in again["exits"]] == [e["calibrated"] for e in first["exits"]]
    assert [e["calibration_error"] for e in again["exits"]] == [
        e["calibrated_error"] for e in first["exits"]
    ]
    config = load(folder / "config.yaml")
    assert config.metrics is not None
    assert config.metrics.runtime == "macs"
    assert "exists" in told.refusal("--calibrate", "-o", str(folder))
    told.text("--calibrate", "--threshold", "0.7", "-o", str(folder), "--force")
    replaced = load(folder / "config.yaml").exits
    assert replaced is not None
    assert replaced.thresholds == (0.7, 0.7, 0.0)


def test_other_weights_and_data_can_be_given(told: Told) -> None:
    own = told.json()
    weights = told.folder / "weights.safetensors"
    moved = weights.rename(told.folder / "moved.safetensors")
    assert "cannot be read" in told.refusal()
    assert told.json("--weights", str(moved))["policy"] == own["policy"]
    assert told.json("--weights", str(moved), "--data", "digits", "--image", "16") == own


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--within", "0.1M"], "no exit within 100000 MACs: the first one takes 1.17M MACs"),
        (["--within", "1us"], "the first one takes"),
        (["--budget", "--within", "1us"], "the first one takes"),
        (["--within", "soon"], "'soon' is no budget: a latency such as 2ms, or MACs such as 20M"),
        (["--within", "2ms", "--threshold", "0.5"], "exclude each other"),
        (["--threshold", "1.5"], "threshold 1.5"),
        (["--split", "train"], "train"),
        (["--image", "8"], "images of digits are 1x8x8, the network takes 1x16x16"),
        (["--data", "nowhere"], "'nowhere'"),
        (["--runtime", "onx"], "unknown runtime 'onx'"),
        (["--weights", "gone.safetensors"], "gone.safetensors"),
    ],
)
def test_one_line_says_what_is_wrong(
    arguments: list[str], said: str, told: Told, tmp_path: Path
) -> None:
    folder = tmp_path / "none"
    assert said in told.refusal(*arguments, "-o", str(folder))
    assert not folder.exists()


def test_what_is_no_trained_network_is_refused(told: Told, tmp_path: Path) -> None:
    assert "no config file" in told.refusal(arch=tmp_path / "gone")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "train.yaml").write_text("")
    assert "has not ended; nas train" in told.refusal(arch=tmp_path / "begun")
    (tmp_path / "file").write_text("")
    assert "is a file" in told.refusal("-o", str(tmp_path / "file"))
    path = told.folder / "config.yaml"
    save(load(path).model_copy(update={"provenance": None}), path)
    assert "give --data" in told.refusal()
    assert told.json("--data", "digits")["data"] == "digits"
    save(load(path).model_copy(update={"weights": None}), path)
    assert "no weights; nas train" in told.refusal()


def test_weights_that_answer_no_numbers_are_refused(told: Told) -> None:
    path = told.folder / "weights.safetensors"
    weights = safetensors.torch.load(path.read_bytes())
    broken = {name: t * float("nan") if t.is_floating_point() else t for name, t in weights.items()}
    path.write_bytes(safetensors.torch.save(broken))
    assert "no finite numbers" in told.refusal()
