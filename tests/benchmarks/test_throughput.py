"""The comparison of throughputs: the same work in both arms, resumable, summed up as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import throughput, throughput_arm
from benchmarks.throughput_arm import DEFAULT, OURS, REUSED
from benchmarks.throughput_plan import FAMILIES, made, networks
from benchmarks.usual_loader import loaders, rates
from nas.data.dataset import DataSpec
from nas.training.recipe import Recipe
from search_spaces.operators import costs

SECONDS = {OURS: 2.0, DEFAULT: 8.0, REUSED: 4.0}


def made_up(task: dict[str, Any]) -> dict[str, Any]:
    """What an arm would find, without its work."""
    found = {"seconds": SECONDS[task["arm"]] * (1 + task["seed"]), "trials": task["trials"]}
    return found | {"accuracy": [0.5, 0.75], "precision": "float32", "process_s": 20.0}


def test_the_arms_are_summed_up_side_by_side_and_work_is_done_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []
    monkeypatch.setattr(
        throughput, "run", lambda task: done.append((task["seed"], task["arm"])) or made_up(task)
    )
    arguments = ["--families", "residual", "--epochs", "1", "--seeds", "2", "--trials", "2"]
    arguments += ["--nothing", "12", "--nothing-trials", "100,10,20", "--out", str(tmp_path)]
    assert throughput.main(arguments) == 0
    assert [arm for seed, arm in done if seed == 0] == [OURS, DEFAULT, OURS, DEFAULT, REUSED]
    assert [arm for seed, arm in done if seed == 1] == [DEFAULT, OURS, OURS, DEFAULT, REUSED]
    said = capsys.readouterr().out
    rates = "2700 (1800-3600) | 675 (450-900) | 4.00 (4.00-4.00) | 62.5 ± 0.0"
    assert f"| residual | 1 | {rates} |" in said
    assert "| 12 | 30.0 (20.0-40.0) | 1200.0 (800.0-1600.0) | 300.0 (200.0-400.0) | 40.0" in said
    assert (tmp_path / "README.md").read_text() in said
    assert throughput.main(arguments) == 0
    assert len(done) == 10


def test_an_unknown_family_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert throughput.main(["--families", "recurrent", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: no family 'recurrent'")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_of_different_networks(family: str) -> None:
    drawn = networks(family, 10)
    assert len({architecture.key for architecture in drawn}) == 10


def test_the_networks_are_of_the_sizes_that_are_said() -> None:
    from nas import plugins

    sizes = [
        costs(plugins.space(a.space).blocks(a, (3, 32, 32), 10)).parameters
        for a in (networks("residual", 4)[3], networks("depthwise", 1)[0])
    ]
    assert sizes == pytest.approx([75_000, 28_000], rel=0.05)


def test_both_arms_see_the_same_images_scaled_alike(tmp_path: Path) -> None:
    from nas.data.augment import normalise
    from nas.data.load import load

    data = DataSpec("digits", image=16, limit=40)
    plan = made("residual", 2, 1, data, tmp_path)
    train, held_out = loaders(plan.file, plan.recipe | {"crop": 0, "flip": False})
    assert len(train) == 2 and sum(len(labels) for _, labels in train) == 40
    dataset = load(data)
    x, y = next(iter(held_out))
    ours = normalise(dataset.held_out.images[: len(x)], dataset.mean, dataset.std)
    assert torch.allclose(x, ours, atol=1e-5)
    assert torch.equal(y, dataset.held_out.labels[: len(y)])


def test_both_arms_have_the_same_rates() -> None:
    rate, recipe = rates(7, 3), Recipe(epochs=3)
    ours = [recipe.learning_rate(step, 21, 7) / recipe.lr for step in range(21)]
    assert np.allclose([rate(step) for step in range(21)], ours)


@pytest.mark.slow
def test_the_arms_really_train_and_really_do_nothing(tmp_path: Path) -> None:
    task = {"arm": OURS, "decisions": 0, "family": "depthwise", "epochs": 1, "seed": 0}
    task |= {"trials": 3, "workers": 2, "precision": "float32"}
    task |= {"data": DataSpec("digits", image=16, limit=80).to_json()}
    for arm in (OURS, DEFAULT):
        found = throughput_arm.run(task | {"arm": arm})
        assert len(found["accuracy"]) == 3
        assert 0 < found["seconds"] < found["process_s"]
    nothing = {"decisions": 12, "trials": 4, "seed": 0, "controller": "tpe"}
    for arm in (OURS, DEFAULT, REUSED):
        found = throughput_arm.run(nothing | {"arm": arm})
        assert 0 < found["seconds"] < found["process_s"]
