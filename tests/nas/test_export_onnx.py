"""Exported stages give what the network gives, and the runner runs no stage for nothing."""

import json
import sys
from pathlib import Path
from subprocess import run

import numpy as np
import onnx
import pytest
import torch

from nas import plugins
from nas.errors import UserError
from nas.exports import onnx_folder
from nas.exports.check import agreement, eager
from nas.exports.onnx_stages import OPSET
from nas.inference.execution import classify
from nas.inference.pixels import prepared
from nas.inference.trained import Trained
from nas.onnx_runner.runner import Runner
from tests.nas.ready_networks import images, policies, small_with_exits, trained

COUNT = 24


@pytest.fixture(scope="module", params=plugins.SPACES)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trained, Path]:
    network = trained(small_with_exits(request.param))
    path = tmp_path_factory.mktemp("exports") / request.param
    checks = onnx_folder.write(network, path)
    assert [check.images for check in checks] == ["32 random"]
    assert checks[0].relative < 1e-4
    return network, path


def test_same_predictions_and_exits_as_the_network(exported: tuple[Trained, Path]) -> None:
    network, path = exported
    runner, pixels = Runner(path), images(COUNT)
    logits = eager(network, pixels)
    scale = np.abs(logits).max(axis=(1, 2), keepdims=True)
    assert (np.abs(runner.logits(pixels) - logits) < 1e-4 * scale).all()
    x, exits = prepared(network.config, torch.from_numpy(pixels)), set()
    for thresholds in policies(torch.from_numpy(logits).transpose(0, 1), network.temperatures):
        expected = classify(network.network, x, thresholds, network.temperatures)
        runner.thresholds = thresholds
        found = runner.classify(pixels)
        assert found.answers.tolist() == expected.answers.tolist()
        assert found.exits.tolist() == expected.exits.tolist()
        assert found.confidence == pytest.approx(expected.confidence.numpy(), abs=1e-3)
        exits |= set(found.exits.tolist())
    assert exits == set(range(len(thresholds)))


def test_a_stage_takes_batches_of_any_size(exported: tuple[Trained, Path]) -> None:
    _, path = exported
    runner, pixels = Runner(path), images(COUNT)
    together = runner.logits(pixels)
    scale = np.abs(together).max(axis=(1, 2), keepdims=True)
    for count in (1, 3):
        alone = runner.logits(pixels[:count])
        assert (np.abs(alone - together[:, :count]) < 1e-4 * scale).all()
    assert len(runner.classify(pixels[:0]).answers) == 0


def test_a_stage_runs_only_on_who_is_still_there(exported: tuple[Trained, Path]) -> None:
    network, path = exported
    pixels = images(COUNT)
    logits = torch.from_numpy(eager(network, pixels)).transpose(0, 1)
    for thresholds in policies(logits, network.temperatures):
        runner = Runner(path)
        runner.thresholds = thresholds
        exits = runner.classify(pixels).exits
        reached = [int((exits >= k).sum()) for k in range(len(thresholds))]
        assert runner.rows_run == reached
        assert runner.loaded == tuple(k for k, rows in enumerate(reached) if rows)
        assert runner.sessions_run == len(runner.loaded)


def test_the_folder_says_what_each_stage_takes_and_gives(exported: tuple[Trained, Path]) -> None:
    network, path = exported
    policy = json.loads((path / "policy.json").read_text())
    assert policy["exits"]["thresholds"] == list(network.policy.thresholds)
    assert policy["exits"]["temperatures"] == list(network.temperatures)
    known = {"x"}
    for stage in policy["stages"]:
        model = onnx.load(path / stage["file"], load_external_data=False)
        onnx.checker.check_model(model)
        (opset,) = (each.version for each in model.opset_import if not each.domain)
        assert opset == policy["opset"] == OPSET
        assert [each.name for each in model.graph.input] == stage["inputs"]
        assert [each.name for each in model.graph.output] == [stage["logits"], *stage["outputs"]]
        for each in (*model.graph.input, *model.graph.output):
            assert each.type.tensor_type.shape.dim[0].dim_param == "batch"
        assert set(stage["inputs"]) <= known
        known |= {stage["logits"], *stage["outputs"]}
    assert not list(path.glob("*.data"))


def test_another_network_is_found_out() -> None:
    architecture = small_with_exits("msd")
    network, other = trained(architecture), trained(architecture, seed=2)
    with pytest.raises(UserError, match="exit 1 of the export differs"):
        list(agreement(network, lambda pixels: eager(other, pixels)))


def test_nothing_is_written_of_a_network_that_answers_nan(tmp_path: Path) -> None:
    network = trained(small_with_exits("msd"))
    with torch.no_grad():
        next(network.network.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match="no finite number"):
        onnx_folder.write(network, tmp_path / "export")
    assert not list(tmp_path.iterdir())


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
from nas.cli.main import main
sys.exit(main(["export", "anything", "--format", "onnx"]))
"""


def test_without_onnx_runtime_one_line_says_what_to_install() -> None:
    done = run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "onnxruntime" in done.stderr and "pip install 'nas-platform[export]'" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", plugins.SPACES)
def test_six_random_networks_of_each_space(name: str, tmp_path: Path) -> None:
    space, rng = plugins.space(name), np.random.default_rng(7)
    for index in range(6):
        checks = onnx_folder.write(trained(space.sample(rng)), tmp_path / str(index))
        assert checks[0].relative < 1e-4
