"""Our trial under Ray Tune: by itself as a trainable, and with our controllers in a `Tuner`."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from latency.errors import LatencyError
from latency.model import document, fitting, prior
from nas import plugins
from nas.data.dataset import DataSpec
from nas.errors import UserError
from nas.objective import Objective
from nas.rewards import Reward
from nas.training import trial
from nas.training.trial import TrialJob
from search_spaces.architecture import Architecture
from search_spaces.errors import SpaceError
from tests.nas import device_by_law as by_law
from tests.nas import small_set, tuned
from tests.nas.small_msd import SMALL

ROOT = Path(__file__).parents[2]
EPOCHS = 3
MNASNET = plugins.space("mnasnet")
DROPPING = {"architecture": {d.name: d.options[0] for d in MNASNET.decisions}, "seed": 7}
TOGETHER = 500  # seconds until a run counts as stuck


@pytest.fixture(scope="module")
def nas_tune() -> ModuleType:
    """The adapter; the Ray that it imports is one that later tests may still start."""
    from nas.executors import ray_session

    before = ray_session._prepare_environment(own=True)
    from nas import tune

    ray_session._put_back(before)
    return tune


@pytest.fixture(autouse=True)
def _nothing_at_home(nas_tune: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainable without a cluster makes its folder here."""
    from ray.tune.trainable import trainable

    monkeypatch.setattr(trainable, "DEFAULT_STORAGE_PATH", str(tmp_path / "ray_results"))


@pytest.fixture
def network(nas_tune: ModuleType) -> Any:
    return nas_tune.trainable("msd", **tuned.TASK, epochs=EPOCHS)


@pytest.fixture
def dropping(nas_tune: ModuleType) -> Any:
    """A kind whose state is more than weights: an average of them, and what dropout draws."""
    made = nas_tune.trainable("mnasnet", **tuned.TASK, epochs=EPOCHS)
    recipe = replace(made.task.recipe, average=0.5, dropout=0.5)
    return type("dropping", (made,), {"task": replace(made.task, recipe=recipe)})


def config(number: int = 0, **more: Any) -> dict[str, Any]:
    architecture = SMALL.sample(np.random.default_rng(number))
    return {"architecture": SMALL.parameters(architecture), "seed": 7, **more}


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """What a report says of the network, without times and places."""
    names = "reward accuracy latency_ms parameters macs loss epoch epochs done".split()
    return {name: result[name] for name in names}


def weights(running: Any) -> dict[str, torch.Tensor]:
    return dict(running._training._steps.network.state_dict())


def assert_equal_weights(one: Any, other: Any) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_trial_ends_as_the_same_trial_of_a_search_does(network: Any, dropping: Any) -> None:
    for kind, given in ((network, config()), (dropping, DROPPING)):
        running = kind(given)
        told = [running.train() for _ in range(EPOCHS)]
        assert [each["epoch"] for each in told] == [1, 2, 3]
        assert [each["done"] for each in told] == [False, False, True]
        architecture = plugins.space(kind.task.space).architecture(given["architecture"])
        job = TrialJob(
            space=architecture.space,
            version=architecture.version,
            architecture=architecture.to_json(),
            data=DataSpec(str(small_set.PATH), limit=60),
            recipe=kind.task.recipe,
            seed=7,
            number=0,
        )
        outcome = trial.run(job)
        assert tuple(each["loss"] for each in told) == outcome.losses
        measured = running._training._measured(outcome.held_out)
        seen = Objective((), Reward.soft(1.0)).view(measured)
        assert (told[-1]["accuracy"], told[-1]["latency_ms"]) == (seen.accuracy, seen.latency_ms)
        assert told[-1]["reward"] == Reward.soft(1.0)(seen.accuracy, seen.latency_ms)


def test_a_checkpoint_goes_on_bit_for_bit_in_another_object(dropping: Any, tmp_path: Path) -> None:
    whole, half, rest = dropping(DROPPING), dropping(DROPPING), dropping(DROPPING | {"seed": 8})
    told = [whole.train() for _ in range(EPOCHS)]
    half.train()
    torch.manual_seed(99)  # whatever else its process draws
    half.save(str(tmp_path / "saved"))
    torch.manual_seed(100)
    rest.restore(str(tmp_path / "saved"))
    for each in told[1:]:
        assert figures(rest.train()) == figures(each)
    assert_equal_weights(whole, rest)


def test_torch_keeps_its_own_generator(network: Any, tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    running = network(config())
    running.train()
    running.save(str(tmp_path / "saved"))
    running.restore(str(tmp_path / "saved"))
    assert torch.equal(before, torch.get_rng_state())


def test_a_trial_in_a_used_actor_is_as_in_a_new_one(network: Any) -> None:
    used, new = network(config(0)), network(config(1))
    used.train()
    assert used.reset(config(1))
    assert figures(used.train()) == figures(new.train())
    assert_equal_weights(used, new)


def test_a_configuration_may_change_the_recipe_and_a_checkpoint_goes_on_with_that(
    network: Any, tmp_path: Path
) -> None:
    donor = network(config())
    donor.train()
    donor.save(str(tmp_path / "saved"))
    heir = network(config(lr=0.05, weight_decay=0.01, batch_size=16, epochs=5))
    heir.restore(str(tmp_path / "saved"))
    steps = heir._training._steps
    assert steps.optimiser.param_groups[0]["weight_decay"] == 0.01
    assert steps.recipe == replace(
        network.task.recipe, lr=0.05, weight_decay=0.01, batch_size=16, epochs=5
    )
    assert steps.step == steps.steps_per_epoch == 4
    told = [heir.train() for _ in range(4)]
    assert [each["epoch"] for each in told] == [2, 3, 4, 5]
    assert told[-1]["done"]


def test_a_checkpoint_is_plain_tensors_and_another_file_is_one_clear_error(
    network: Any, tmp_path: Path
) -> None:
    running = network(config())
    running.train()
    running.save(str(tmp_path))
    (path,) = tmp_path.glob("*.pt")
    assert torch.load(path, weights_only=True)["epoch"] == 1
    with pytest.raises(UserError, match=r"checkpoint\.pt: of network .* this trial is of"):
        network(config(1)).restore(str(tmp_path))
    whole = path.read_bytes()
    for damaged in (whole[:-100], b"", pickle.dumps(Evil(tmp_path / "ran"), 2)):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"checkpoint\.pt: not a checkpoint of this network"):
            running.restore(str(tmp_path))
    assert not (tmp_path / "ran").exists()


class Evil:
    """What runs where a file is unpickled without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"learning_rate": 0.1}, UserError, "unknown configuration key 'learning_rate'"),
        ({"architecture": None}, UserError, "architecture None: must be a mapping"),
        ({"architecture": {}}, SpaceError, "stem"),
        ({"lr": -1.0}, UserError, "recipe: lr -1.0 must be above 0"),
    ],
)
def test_a_configuration_that_cannot_be_trained_is_one_clear_error(
    network: Any, wrong: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        network(config() | wrong)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trials": 5}, "unknown option 'trials'"),
        ({"epochs": 0}, "epochs 0 must be 1 or more"),
        ({"data": "no-such-set"}, "no-such-set"),
        ({"runtime": "tourch"}, "tourch"),
        ({"objective": "speed"}, "objective 'speed'"),
        ({"device": "ray:pi5", "runtime": "torch"}, "fit a latency model"),
        ({"latency_model": "auto"}, "latency_model 'auto'"),
    ],
)
def test_a_wrong_option_is_one_clear_error_before_anything_is_trained(
    nas_tune: ModuleType, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        nas_tune.trainable("msd", **{**tuned.TASK, **options})
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(UserError, match="did you mean 'msd'"):
        nas_tune.trainable("msdd", **tuned.TASK)


def test_without_a_target_random_networks_say_what_is_fast(nas_tune: ModuleType) -> None:
    given = {name: value for name, value in tuned.TASK.items() if name != "target_latency"}
    found = nas_tune.trainable("msd", **given).task.objective.reward
    assert 0.1 < found.target_ms < 10
    assert nas_tune.trainable("msd", **given, objective="pareto").task.objective.reward is None


def test_a_model_in_a_file_foretells_latencies_where_no_device_is(
    nas_tune: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prior, "FEWEST_FOR_TREES", 10**9)  # takes no time to fit
    model = fitting.fit(by_law.source(by_law.Lawful()).bench, SMALL, (1, 8, 8), 4).model
    document.save(model, tmp_path / "model.json")
    given = tuned.TASK | {"latency_model": str(tmp_path / "model.json"), "runtime": "torch"}
    network = nas_tune.trainable("msd", **given)
    (tmp_path / "model.json").unlink()  # workers have no use for it
    told = network(config()).train()
    estimates = model.estimate(SMALL.blocks(_architecture(config()), (1, 8, 8), 4))
    assert told["latency_ms"] <= estimates[-1].latency_ms
    cost = network.task.cost(("reward",), ("maximize",))
    assert cost(_architecture(config())) == estimates[-1].latency_ms
    with pytest.raises(LatencyError, match=r"model\.json: no such file"):
        nas_tune.trainable("msd", **given)


def _architecture(config: dict[str, Any]) -> Architecture:
    return SMALL.architecture(config["architecture"])


def fitted(folder: Path, what: str = "fit", **options: Any) -> dict[str, Any]:
    """What came of an experiment under Tune, in a process of its own."""
    done = subprocess.run(
        command(folder, what, options),
        cwd=ROOT,
        env=os.environ | {"HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=TOGETHER,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def command(folder: Path, what: str, options: dict[str, Any]) -> list[str]:
    return [sys.executable, "-m", "tests.nas.tuned", str(folder), what, json.dumps(options)]


def recorded(folder: Path) -> list[dict[str, Any]]:
    """What the search knows of its trials at the end, as Tune has kept it."""
    path = max((folder / tuned.NAME).glob("searcher-state-*.json"))  # one a start of Tune's
    trials: list[dict[str, Any]] = json.loads(path.read_text())["record"]["trials"]
    return trials


def test_tune_searches_with_our_controller_and_trains_our_networks(tmp_path: Path) -> None:
    found = fitted(tmp_path, trials=2, epochs=1, seed=3, workers=1)
    assert found["errors"] == []
    trials = recorded(tmp_path)
    assert [each["state"] for each in trials] == ["COMPLETE"] * 2
    assert sorted(each["values"][0] for each in trials) == sorted(found["rewards"])


@pytest.mark.slow
def test_asha_stops_trials_early_and_the_controller_hears_of_all(tmp_path: Path) -> None:
    found = fitted(tmp_path, trials=8, epochs=EPOCHS, seed=1, scheduler="asha")
    assert found["errors"] == []
    trials = recorded(tmp_path)
    states = [each["state"] for each in trials]
    assert set(states) == {"COMPLETE", "PRUNED"}
    assert states.count("COMPLETE") == found["epochs"].count(EPOCHS)
    best = max(each["values"][0] for each in trials if each["state"] == "COMPLETE")
    assert best == max(r for r, e in zip(found["rewards"], found["epochs"], strict=True) if e == 3)
    for path in map(Path, found["paths"]):
        assert list(path.glob("checkpoint_*/checkpoint.pt"))  # and Tune's loggers
        assert (path / "progress.csv").read_text().splitlines()[0].count("reward") == 1


@pytest.mark.slow
def test_trials_that_diverge_are_told_as_failures_and_left_running_by_nobody(
    tmp_path: Path,
) -> None:
    found = fitted(tmp_path, trials=3, epochs=1, seed=1, fixed={"lr": 1e30})
    assert len(found["errors"]) == 3
    assert all("TrainingDiverged" in error for error in found["errors"])
    assert [each["state"] for each in recorded(tmp_path)] == ["FAIL"] * 3


@pytest.mark.slow
def test_an_experiment_whose_driver_is_killed_is_restored_and_loses_nothing(
    tmp_path: Path,
) -> None:
    options = {"trials": 30, "epochs": 2, "seed": 5}
    driver = subprocess.Popen(
        command(tmp_path, "fit", options),
        cwd=ROOT,
        env=os.environ | {"HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + TOGETHER
    while sum(1 for _ in tmp_path.glob(f"{tuned.NAME}/*/progress.csv")) < 4:
        assert time.monotonic() < end and driver.poll() is None
        time.sleep(0.2)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    found = fitted(tmp_path, "restore", **options)
    assert found["errors"] == []
    assert found["epochs"] == [2] * 30
    trials = recorded(tmp_path)
    assert sum(each["state"] == "COMPLETE" for each in trials) == 30
    assert all(each["state"] != "RUNNING" for each in trials)
