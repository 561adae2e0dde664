"""`nas export` into folders: what it takes, where it writes, and that it writes all or nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas import plugins
from nas.cli.main import main
from nas.config import load
from nas.exports.check import eager
from nas.exports.folder import written
from nas.inference.trained import open_trained
from nas.onnx_runner.runner import Runner
from tests.nas import small_msd

SEARCH = (
    "search --space msd --runtime macs --executor inline --limit 200 --epochs 2 "
    "--controller random --seed 1 --trials 3 --name small"
).split()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one run, named small."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", small_msd.WHERE)
        assert main([*SEARCH, "--out", str(folder)]) == 0
        yield folder


class Exports:
    """Runs `nas export` in a folder of its own."""

    def __init__(self, out: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.out, self.here, self._capsys = out, here, capsys

    def json(self, *arguments: object) -> dict[str, Any]:
        assert self._code(*arguments, "--json") == 0
        found: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return found

    def refusal(self, *arguments: object) -> str:
        assert self._code(*arguments) == 2
        out, err = self._capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        return err

    def _code(self, *arguments: object) -> int:
        self._capsys.readouterr()
        return main(["export", *map(str, arguments), "--out", str(self.out)])


@pytest.fixture
def exports(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Exports:
    monkeypatch.chdir(tmp_path)
    return Exports(out, tmp_path, capsys)


@pytest.mark.parametrize("form", ["onnx", "pytorch"])
def test_the_best_trial_goes_into_a_folder_named_after_it(exports: Exports, form: str) -> None:
    found = exports.json("small", "--format", form)
    assert (found["format"], found["run"]) == (form, "small")
    assert found["path"] == f"small-{found['trial']}-{form}"
    assert [each.name for each in exports.here.iterdir()] == [found["path"]]
    random, real = found["differences"]
    assert (random["images"], real["images"]) == ("32 random", "32 held-out digits")
    network = open_trained("small:best", exports.out)
    for each in (random, real):
        assert len(each["max_abs"]) == len(network.policy.thresholds)
        assert each["relative"] < 1e-5
    config = load(Path(found["path"]) / "config.yaml")
    assert config.architecture() == network.config.architecture()
    assert config.exits == network.config.exits


def test_the_pytorch_folder_is_the_network(exports: Exports) -> None:
    path = exports.json("small:best", "--format", "pytorch", "-o", "mine")["path"]
    network, again = open_trained("small:best", exports.out), open_trained(path, exports.here)
    state = again.network.state_dict()
    for name, tensor in network.network.state_dict().items():
        assert torch.equal(state[name], tensor), name
    assert (again.policy, again.temperatures) == (network.policy, network.temperatures)


def test_a_trained_folder_is_a_source_of_every_format(exports: Exports) -> None:
    path = exports.json("small", "--format", "pytorch", "-o", "mine")["path"]
    again = exports.json(path, "--format", "onnx")
    assert again["path"] == "mine-onnx"
    images = np.random.default_rng(1).integers(0, 256, (3, 1, 32, 32), np.uint8)
    expected = eager(open_trained(path, exports.here), images)
    assert Runner("mine-onnx").logits(images) == pytest.approx(expected, abs=1e-4)
    assert exports.json(f"{path}/config.yaml", "-o", "mine.json")["path"] == "mine.json"
    assert load("mine.json").weights is None
    assert load("mine.json").architecture() == load("mine/config.yaml").architecture()


def test_only_an_export_is_replaced_and_only_when_asked(exports: Exports) -> None:
    asked = ("small", "--format", "onnx", "-o", "mine")
    exports.json(*asked)
    assert "--force" in exports.refusal(*asked)
    Path("mine/policy.json").unlink()
    exports.json(*asked, "--force")
    assert Path("mine/policy.json").is_file()
    exports.json("small", "--format", "pytorch", "-o", "mine", "--force")
    assert not Path("mine/policy.json").exists()
    Path("mine/thesis.txt").write_text("years of work")
    assert "thesis.txt, which no export wrote" in exports.refusal(*asked, "--force")
    assert Path("mine/thesis.txt").read_text() == "years of work"
    Path("empty").mkdir()
    exports.json("small", "--format", "onnx", "-o", "empty")
    assert {each.name for each in exports.here.iterdir()} == {"mine", "empty"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["gone", "--format", "onnx"], "no run 'gone'"),
        (["small:9", "--format", "onnx"], "no trial '9'"),
        (["small:0", "--trial", "1", "--format", "onnx"], "names a trial already"),
        (["gone.yaml", "--format", "onnx"], "gone.yaml"),
        (["small", "--format", "onnx", "-o", "no/such/place"], "there is no folder no/such"),
        (["small", "--format", "onnx", "-o", ""], "no folder name"),
        (["small", "--format", "pytorch", "-o", "/proc/mine"], "cannot be written"),
        (["small", "--format", "onnx", "--weights", "gone.safetensors"], "cannot be read"),
    ],
)
def test_mistakes_are_one_line(exports: Exports, arguments: list[str], told: str) -> None:
    assert told in exports.refusal(*arguments)
    assert not list(exports.here.iterdir())


def test_a_config_without_weights_becomes_no_network(exports: Exports) -> None:
    exports.json("small", "-o", "best.yaml")
    assert "no weights" in exports.refusal("best.yaml", "--format", "onnx")
    assert "--trial 1" in exports.refusal("best.yaml", "--trial", "1")
    Path("file").write_text("")
    assert "is no folder" in exports.refusal("small", "--format", "onnx", "-o", "file")


def half_written(path: Path) -> None:
    with written(path) as folder:
        (folder / "config.yaml").write_text("new")
        raise KeyboardInterrupt


def test_an_interruption_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "export"
    with written(path) as folder:
        (folder / "config.yaml").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        half_written(path)
    assert [each.name for each in tmp_path.iterdir()] == ["export"]
    assert (path / "config.yaml").read_text() == "old"
