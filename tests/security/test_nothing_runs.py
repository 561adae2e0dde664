"""Whatever users exchange is data: no file makes its reader call anything, by whatever loader."""

import hashlib
import json
import pickle
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from latency.errors import LatencyError
from latency.model import document
from latency.remote import device_file
from nas import config, plugins, settings, train_settings
from nas.cli.main import main
from nas.data.cifar_pickle import read_pickle
from nas.data.dataset import DataSpec
from nas.data.idx import read_idx
from nas.data.load import load
from nas.errors import UserError
from nas.exports import onnx_folder
from nas.inference.trained import open_trained
from nas.measurement import HeldOut
from nas.onnx_runner.errors import InputError
from nas.run import Run, open_run
from nas.tabular import Table
from nas.training import checkpoint
from nas.training.weights import load_file
from tests.nas import small_msd
from tests.nas.simulated_search import drive, simulated_run
from tests.security import payloads

MISTAKES = (UserError, LatencyError, InputError)
Make = Callable[[Path, Path], None]
Loader = Callable[[Path], object]


@pytest.fixture(autouse=True, params=["", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"])
def _forced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where torch was told, by a variable, to run all that it reads."""
    if request.param:
        monkeypatch.setenv(request.param, "1")


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """What a payload would make; it is not there in the end, nor is anything of its name."""
    yield tmp_path / "victim"
    assert not list(tmp_path.rglob("victim*"))
    assert "antigravity" not in sys.modules


def _checkpoint(path: Path) -> object:
    path.rename(path.with_name(checkpoint.FILE))
    return checkpoint.load(path.parent)


def _weights(path: Path) -> object:
    return load_file(torch.nn.Linear(3, 2), path)


def _data(path: Path) -> object:
    return load(DataSpec(str(path)))


def _training(path: Path) -> object:
    path.rename(path.with_name(train_settings.FILE))
    return train_settings.load(path.parent)


def _run(path: Path) -> object:
    path.rename(path.with_name("search.yaml"))
    return open_run(path.parent)


def _network(path: Path) -> object:
    return open_trained(str(path), path.parent)


LOADERS: dict[str, tuple[str, Loader]] = {
    "checkpoint": (".pt", _checkpoint),
    "weights": (".safetensors", _weights),
    "weights.pt": (".pt", _weights),
    "data": (".npz", _data),
    "facts": (".npz", HeldOut.load),
    "table": (".npz", Table),
    "cifar": ("", read_pickle),
    "idx": ("", read_idx),
    "latency model": (".json", document.load),
    "config": (".yaml", config.load),
    "settings": (".yaml", settings.load),
    "training": (".yaml", _training),
    "run": (".yaml", _run),
    "device": (".yaml", device_file.load),
    "network": (".yaml", _network),
}
MAKES: dict[str, Make] = {
    name: getattr(payloads, name)
    for name in ("plain", "tensors", "old_tensors", "objects", "one_object", "slipping")
}


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("loader", LOADERS)
def test_a_pickle_is_never_opened(tmp_path: Path, victim: Path, loader: str, make: str) -> None:
    suffix, opened = LOADERS[loader]
    (tmp_path / "files").mkdir()
    path = tmp_path / "files" / f"file{suffix}"
    MAKES[make](path, victim)
    with pytest.raises(MISTAKES) as caught:
        opened(path)
    assert "\n" not in str(caught.value)


def test_a_payload_does_run_where_it_is_let(tmp_path: Path) -> None:
    """Otherwise no test here could fail."""
    payloads.plain(tmp_path / "file", tmp_path / "made")
    pickle.loads((tmp_path / "file").read_bytes())
    assert (tmp_path / "made").is_dir()
    payloads.tensors(tmp_path / "file.pt", tmp_path / "made too")
    torch.load(tmp_path / "file.pt", weights_only=False)
    assert (tmp_path / "made too").is_dir()


@pytest.mark.parametrize("tag", payloads.TAGS)
@pytest.mark.parametrize(
    "loader", [name for name, (suffix, _) in LOADERS.items() if suffix == ".yaml"]
)
def test_a_tag_calls_nothing(tmp_path: Path, victim: Path, loader: str, tag: str) -> None:
    (tmp_path / "files").mkdir()
    path = tmp_path / "files" / "file.yaml"
    payloads.tags(path, victim, tag)
    with pytest.raises(MISTAKES, match="could not determine a constructor"):
        LOADERS[loader][1](path)


# Whole folders


def test_a_trained_folder_runs_nothing_that_lies_in_it(
    trained_digits: Path, tmp_path: Path, victim: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(trained_digits, tmp_path / "given")
    _scripts(folder, victim)
    image = _image(tmp_path)
    assert main(["predict", str(folder), str(image)]) == 0
    payloads.tensors(folder / "weights.safetensors", victim)
    assert main(["predict", str(folder), str(image)]) == 2
    assert main(["predict", str(trained_digits), str(image), "--weights", str(folder)]) == 2
    assert main(["export", str(folder), "--format", "pytorch", "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("error: ") == 3


def test_an_export_runs_nothing_that_lies_in_it(
    trained_digits: Path, tmp_path: Path, victim: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx_folder.write(open_trained(str(trained_digits), tmp_path), tmp_path / "export")
    _scripts(tmp_path / "export" / "onnx_runner", victim)
    _scripts(tmp_path / "export", victim)
    image = _image(tmp_path)
    assert main(["predict", str(tmp_path / "export"), str(image)]) == 0
    policy = tmp_path / "export" / "policy.json"
    whole = json.loads(policy.read_text())
    for file in ("../stage1.onnx", str(tmp_path / "export" / "stage1.onnx"), "policy.json"):
        stages = [dict(whole["stages"][0], file=file), *whole["stages"][1:]]
        policy.write_text(json.dumps(whole | {"stages": stages}))
        assert main(["predict", str(tmp_path / "export"), str(image)]) == 2
        assert "must be the name of an .onnx file" in capsys.readouterr().err
    policy.write_text(json.dumps(whole))
    payloads.tensors(tmp_path / "export" / "stage1.onnx", victim)
    assert main(["predict", str(tmp_path / "export"), str(image)]) == 2


def test_a_training_runs_a_hook_only_where_the_command_names_it(
    tmp_path: Path, victim: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = tmp_path / "hook.py"
    hook.write_text("def metric(answers, labels, classes):\n    return 1.0\n")
    options = ["--name", "theirs", "--out", str(tmp_path), "--epochs", "1", "--limit", "40"]
    quick = ["--image", "8", "--runtime", "macs", "--hook", str(hook)]
    assert main(["train", *_small(tmp_path), *options, *quick]) == 0
    folder = tmp_path / "theirs"
    hook.write_text(f"import os\nos.mkdir({str(victim)!r})\n" + hook.read_text())
    settings_file = folder / train_settings.FILE
    known = train_settings.load(folder)
    assert known.hook is not None
    digest = hashlib.sha256(hook.read_bytes()).hexdigest()
    settings_file.write_text(settings_file.read_text().replace(known.hook.digest, digest))
    capsys.readouterr()
    assert main(["train", str(folder), "--resume"]) == 2
    assert f"--hook {hook}" in capsys.readouterr().err


def _small(folder: Path) -> list[str]:
    architecture = small_msd.SMALL.sample(np.random.default_rng(0))
    config.save(config.Config.of(architecture.to_json()), folder / "network.yaml")
    return [str(folder / "network.yaml")]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", small_msd.WHERE)
        run = simulated_run(tmp_path_factory.mktemp("results"), name="given", trials=3)
        drive(run, images=40)
        yield run


@pytest.mark.parametrize("make", MAKES)
def test_the_facts_of_a_run_are_never_opened_as_pickles(
    searched: Run, tmp_path: Path, victim: Path, make: str
) -> None:
    folder = shutil.copytree(searched.path, tmp_path / "given")
    for file in (*folder.glob("facts/*"), *folder.glob("weights/*")):
        MAKES[make](file, victim)
    for command in ("trials", "pareto", "status"):
        assert main([command, str(folder)]) in (0, 2)
    assert main(["trials", str(folder)]) == 2
    assert main(["report", str(folder), "-o", str(tmp_path / "page.html")]) in (0, 2)


@pytest.mark.parametrize("make", MAKES)
def test_the_rows_of_a_study_are_never_opened_as_pickles(
    searched: Run, tmp_path: Path, victim: Path, make: str
) -> None:
    folder = shutil.copytree(searched.path, tmp_path / "given")
    MAKES[make](tmp_path / "payload", victim)
    content = (tmp_path / "payload").read_bytes()
    with sqlite3.connect(folder / "study.db") as database:
        for table in ("trial_user_attributes", "trial_system_attributes", "study_user_attributes"):
            database.execute(f"UPDATE {table} SET value_json = ?", (content,))
        database.execute("UPDATE trial_params SET distribution_json = ?", (content,))
    database.close()
    for command in ("trials", "pareto", "status"):
        _looked_at(command, folder)
    assert main(["report", str(folder), "-o", str(tmp_path / "page.html")]) in (0, 2)


def _looked_at(command: str, folder: Path) -> None:
    assert main([command, str(folder)]) == 2


def _image(folder: Path) -> Path:
    path = folder / "image.pgm"
    path.write_bytes(b"P5 16 16 255\n" + bytes(256))
    return path


def _scripts(folder: Path, victim: Path) -> None:
    """Python files under the names of what a reader of the folder would import."""
    names = ("__init__", "__main__", "sitecustomize", "config", "runner", "numpy", "onnxruntime")
    for name in (*names, "policy", "setup", "conftest"):
        (folder / f"{name}.py").write_text(f"import os\nos.mkdir({str(victim)!r})\n")
