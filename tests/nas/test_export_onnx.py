"""Exported stages give what the network gives, and the runner runs no stage for nothing."""

import json
import sys
import time
from pathlib import Path
from subprocess import run

import numpy as np
import onnx
import pytest
import torch

from latency.graphs.onnx_graph import OPSET
from nas import plugins
from nas.config import Config, Preprocessing, Provenance
from nas.data.dataset import DataSpec
from nas.data.load import load, load_test
from nas.errors import UserError
from nas.exports import onnx_folder
from nas.exports.check import agreement, eager
from nas.inference.execution import classify
from nas.inference.pixels import prepared
from nas.inference.trained import Trained, ready
from nas.networks import build
from nas.onnx_runner.runner import Runner
from nas.training.recipe import short_recipe
from nas.training.train import train
from nas.training.weights import to_bytes
from search_spaces.msd import msdnet
from tests.nas.ready_networks import images, policies, small_with_exits, trained

COUNT = 24


FINER = ("msd-layer", "msd-network")
"""Search msd layer by layer or as a whole: their networks are made of its blocks."""
EACH = [pytest.param(s, marks=pytest.mark.slow) if s in FINER else s for s in plugins.SPACES]


@pytest.fixture(scope="module", params=EACH)
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


def test_a_module_that_onnx_has_not_is_one_line(tmp_path: Path) -> None:
    network = trained(small_with_exits("msd"))
    parents = [each for each in network.network.modules() if isinstance(each, torch.nn.Sequential)]
    place, parent = next(
        (name, each)
        for each in parents
        for name, child in each.named_children()
        if isinstance(child, torch.nn.ReLU)
    )
    setattr(parent, place, torch.nn.Softsign())
    with pytest.raises(UserError, match=r"written as ONNX: no .* a Softsign") as caught:
        onnx_folder.write(network, tmp_path / "export")
    assert "\n" not in str(caught.value)
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


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Path]:
    """An MSDNet trained for two epochs on digits, and its export."""
    spec = DataSpec("digits")
    dataset = load(spec)
    architecture = msdnet(nBlocks=4, base=1, nChannels=8, growthRate=4)
    given = architecture.to_json()
    config = Config(
        schema_version=1,
        space=given["space"],
        version=given["version"],
        decisions=given["decisions"],
        widened=tuple(given.get("widened", ())),
        image=dataset.image,
        classes=dataset.classes,
        preprocessing=Preprocessing(
            resize=(32, 32), colour="grey", mean=dataset.mean, std=dataset.std
        ),
        provenance=Provenance(run="none", seed=0, versions={}, data=spec.to_json()),
    )
    network = build(architecture, dataset.image, len(dataset.classes))
    train(network, dataset, short_recipe(dataset.image, 2, len(dataset.train)), seed=0)
    network_of_config = ready(config, to_bytes(network), "digits")
    path = tmp_path_factory.mktemp("exports") / "digits"
    checks = onnx_folder.write(network_of_config, path)
    assert [check.images for check in checks] == ["32 random", "32 held-out digits"]
    assert max(check.relative for check in checks) < 1e-5
    return network_of_config, path


@pytest.mark.slow
def test_1797_real_images_leave_as_from_the_network(digits: tuple[Trained, Path]) -> None:
    network, path = digits
    spec = DataSpec("digits")
    splits = (load(spec).train, load(spec).held_out, load_test(spec))
    pixels = torch.cat([split.images for split in splits])
    logits = torch.cat([
        torch.from_numpy(eager(network, batch.numpy())).transpose(0, 1)
        for batch in pixels.split(128)
    ])  # fmt: skip
    assert len(pixels) == 1797
    runner = Runner(path)
    for thresholds in policies(logits, network.temperatures):
        runner.thresholds = thresholds
        found = [runner.classify(batch.numpy()) for batch in pixels.split(100)]
        x = prepared(network.config, pixels)
        expected = classify(network.network, x, thresholds, network.temperatures)
        assert np.concatenate([each.exits for each in found]).tolist() == expected.exits.tolist()
        answers = np.concatenate([each.answers for each in found])
        assert answers.tolist() == expected.answers.tolist()


@pytest.mark.slow
def test_an_early_exit_is_faster_than_the_last(digits: tuple[Trained, Path]) -> None:
    network, path = digits
    pixels = load_test(DataSpec("digits")).images[:100].numpy()
    logits = torch.from_numpy(eager(network, pixels)).transpose(0, 1)
    all_early, none_early, early, *_ = policies(logits, network.temperatures)
    runner, fastest = Runner(path), {}
    runner.warm_up()
    for thresholds in (all_early, early, none_early) * 7:
        runner.thresholds = thresholds
        start = time.perf_counter()
        for image in pixels:
            runner.classify(image[None])
        seconds = time.perf_counter() - start
        fastest[thresholds] = min(seconds, fastest.get(thresholds, seconds))
    for name, thresholds in (("exit 1", all_early), ("early policy", early)):
        ratio = fastest[none_early] / fastest[thresholds]
        print(f"{name}: {ratio:.2f} times faster than the last exit")
        assert ratio > 1
