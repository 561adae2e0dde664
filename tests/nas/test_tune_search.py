"""Our controllers as a search algorithm of Ray Tune, driven without a cluster."""

import json
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import optuna
import pytest

import controllers
from controllers.errors import ControllerError
from nas import plugins
from nas.errors import UserError
from nas.proposals import derived_seed
from nas.store import Store
from tests.nas import tuned
from tests.nas.small_msd import SMALL, SmallMSD
from tests.nas.test_tune import nas_tune

__all__ = ["nas_tune"]
FAST = ["random", "tpe", "nsga2", "evolution", "local_search", "reinforce", "surrogate"]
Result = dict[str, Any] | None


def reward(params: dict[str, Any]) -> float:
    """A made-up one that tells architectures apart."""
    key = SMALL.architecture(params).key
    return int(key[:6], 16) / 16**6


def drive(search: Any, trials: int, ends: Callable[[int], Result] | None = None) -> list[Any]:
    """What the search proposes for so many trials, two of which are always under way."""
    proposed, waiting = [], []
    for number in range(trials):
        tune_id = f"trial{len(_trials(search))}"
        config = search.suggest(tune_id)
        proposed.append(config)
        waiting.append((tune_id, number, config))
        if len(waiting) == 2:
            end(search, *waiting.pop(number % 2), ends)
    for each in waiting:
        end(search, *each, ends)
    return proposed


def end(
    search: Any, tune_id: str, number: int, config: Any, ends: Callable[[int], Result] | None
) -> None:
    result = {"reward": reward(config["architecture"])} if ends is None else ends(number)
    search.on_trial_complete(tune_id, result=result)


def _trials(search: Any) -> list[optuna.trial.FrozenTrial]:
    found: list[optuna.trial.FrozenTrial] = search._record.trials
    return found


def states(search: Any) -> list[str]:
    return [trial.state.name for trial in _trials(search)]


@pytest.fixture
def search(nas_tune: ModuleType) -> Callable[..., Any]:
    def made(controller: str = "random", **options: Any) -> Any:
        given = {"space": SMALL, "metric": "reward", "mode": "max", "seed": 4}
        return nas_tune.Search(controller, **(given | options))

    return made


def test_every_controller_of_the_table_can_be_had(search: Callable[..., Any]) -> None:
    for name in controllers.names():
        config = search(name).suggest("first")
        assert SMALL.architecture(config["architecture"]).key


@pytest.mark.parametrize("controller", FAST)
def test_the_same_seed_and_results_give_the_same_proposals(
    search: Callable[..., Any], controller: str
) -> None:
    one, other = drive(search(controller), 12), drive(search(controller), 12)
    assert one == other
    assert drive(search(controller, seed=5), 12) != one


@pytest.mark.parametrize("controller", FAST)
@pytest.mark.parametrize("how", ["restored", "unpickled", "restored by a folder"])
def test_a_saved_search_goes_on_as_if_it_had_never_stopped(
    search: Callable[..., Any], controller: str, how: str, tmp_path: Path
) -> None:
    whole = drive(half := search(controller), 10)
    whole += drive(half, 4)
    first = search(controller)
    assert drive(first, 10) == whole[:10]
    if how == "unpickled":
        rest = pickle.loads(pickle.dumps(first))
    elif how == "restored":
        first.save(str(tmp_path / "state"))
        rest = search(controller, metric=None, mode=None)  # which the state has
        rest.restore(str(tmp_path / "state"))
    else:
        first.save_to_dir(str(tmp_path), "today")
        rest = search(controller)
        rest.restore_from_dir(str(tmp_path))
    assert drive(rest, 4) == whole[10:]
    for ours, theirs in zip(_trials(rest), _trials(half), strict=True):
        assert (ours.values, ours.system_attrs) == (theirs.values, theirs.system_attrs)


def test_trials_under_way_are_saved_and_told_afterwards(
    search: Callable[..., Any], tmp_path: Path
) -> None:
    first, rest = search(), search()
    for tune_id in "abc":
        first.suggest(tune_id)
    first.on_trial_result("b", {"reward": 0.25})
    first.save(str(tmp_path / "state"))
    rest.restore(str(tmp_path / "state"))
    rest.on_trial_complete("a", {"reward": 0.5})
    rest.on_trial_complete("b")  # paused, then stopped: its last report counts
    rest.on_trial_complete("c")  # never reported anything
    rest.on_trial_complete("nobody's", {"reward": 0.5})
    assert states(rest) == ["COMPLETE", "COMPLETE", "FAIL"]
    assert [trial.values for trial in _trials(rest)] == [[0.5], [0.25], None]


@pytest.mark.parametrize("controller", ["tpe", "surrogate"])
def test_it_proposes_what_a_search_of_the_platform_proposes(
    search: Callable[..., Any], controller: str, tmp_path: Path
) -> None:
    store = Store(f"sqlite:///{tmp_path / 'study.db'}", "platform", ["maximize"])
    sampler = plugins.controller(controller, space=SMALL, seed=4)
    ours = search(controller)
    for number in range(14):
        trial = store.ask(sampler, SMALL.distributions())
        config = ours.suggest(str(number))
        assert config == {
            "architecture": trial.params,
            "seed": derived_seed(4, "trial", number),
        }
        store.complete(number, {}, [reward(trial.params)], {})
        ours.on_trial_complete(str(number), {"reward": reward(trial.params)})
    store.close()


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, None, "0.5", True, [0.5], np.float32("nan")]
)
def test_what_is_no_finite_number_is_a_failure(search: Callable[..., Any], value: Any) -> None:
    failing = search("surrogate")
    drive(failing, 4, lambda number: {"reward": value})
    assert states(failing) == ["FAIL"] * 4
    failing.suggest("next")


def test_trials_that_failed_are_told_and_never_left_running(search: Callable[..., Any]) -> None:
    failing = search()
    failing.suggest("a")
    failing.suggest("b")
    failing.suggest("c")
    failing.on_trial_complete("a", error=True)
    failing.on_trial_complete("b", {"reward": 0.5}, error=True)
    failing.on_trial_complete("c", {"loss": 0.5})
    assert states(failing) == ["FAIL"] * 3


def test_a_failed_trial_that_tune_runs_again_counts_by_what_it_comes_to(
    search: Callable[..., Any],
) -> None:
    again = search()
    config = again.suggest("a")
    again.on_trial_complete("a", error=True)
    again.on_trial_complete("a", {"reward": 0.5})
    again.on_trial_complete("a", {"reward": 0.75})  # told already
    assert states(again) == ["FAIL", "COMPLETE"]
    assert _trials(again)[1].params == config["architecture"]
    assert _trials(again)[1].values == [0.5]


def test_numbers_of_numpy_are_numbers(search: Callable[..., Any]) -> None:
    found = search()
    drive(found, 2, lambda number: {"reward": (np.float32(0.5), np.int64(1))[number]})
    assert [trial.values for trial in _trials(found)] == [[0.5], [1.0]]


def test_what_was_stopped_early_is_not_compared_with_what_went_to_its_end(
    search: Callable[..., Any], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    early = search()
    drive(early, 5, lambda number: {"reward": 0.5, "epoch": 1, "epochs": 4})
    assert states(early) == ["PRUNED"] * 5
    assert all(trial.intermediate_values == {1: 0.5} for trial in _trials(early))
    (warned,) = caplog.messages
    assert warned.startswith("5 trials were stopped before epoch 4, none went that far")
    early.save(str(tmp_path / "state"))
    rest = search()
    rest.restore(str(tmp_path / "state"))
    drive(rest, 1, lambda number: {"reward": 0.5, "epoch": 4, "epochs": 4})
    assert states(rest) == ["PRUNED"] * 5 + ["COMPLETE"]
    assert len(caplog.messages) == 1


def test_several_metrics_each_with_its_mode(search: Callable[..., Any], tmp_path: Path) -> None:
    metric, mode = ["accuracy", "latency_ms"], ["max", "min"]
    for controller in ("nsga2", "surrogate"):
        front = search(controller, metric=metric, mode=mode)
        drive(front, 3, lambda number: {"accuracy": 0.5 + number / 10, "latency_ms": 2.0})
        front.suggest("one")
        front.on_trial_complete("one", {"accuracy": 0.5})
        front.suggest("two")
        early = {"accuracy": 0.5, "latency_ms": 2.0, "epoch": 1, "epochs": 2}
        front.on_trial_complete("two", early)
        assert states(front) == ["COMPLETE"] * 3 + ["FAIL", "PRUNED"]
        front.save(str(tmp_path / controller))
        rest = search(controller, metric=metric, mode=mode)
        rest.restore(str(tmp_path / controller))
        assert rest.suggest("three") == front.suggest("three")
        assert (rest.metric, rest.mode) == (metric, mode)
        assert [d.name for d in rest._record.study.directions] == ["MAXIMIZE", "MINIMIZE"]


def test_a_network_that_was_trained_is_not_trained_again(
    nas_tune: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    found = nas_tune.Search("random", TwoNetworks(), metric="reward", mode="max")
    configs = [found.suggest("a")]
    found.on_trial_complete("a", {"reward": 0.5})
    configs.append(found.suggest("b"))
    found.on_trial_complete("b", {"reward": 0.25})
    assert {config["architecture"]["block1.width"] for config in configs} == {0.5, 1.0}
    assert found.suggest("c") == found.FINISHED
    assert "RUNNING" not in states(found)
    for trial in _trials(found):  # what is known was told of every repetition
        same = trial.params["block1.width"] == configs[0]["architecture"]["block1.width"]
        assert trial.values == [0.5 if same else 0.25]
    assert "finds no network" in caplog.text


class TwoNetworks(SmallMSD):
    """One decision with two options is all there is."""

    def __init__(self) -> None:
        super().__init__()
        self.decisions = tuple(
            d if d.name == "block1.width" else replace(d, options=d.options[:1])
            for d in self.decisions
        )


def test_a_tuner_says_what_is_optimised_unless_the_search_does(nas_tune: ModuleType) -> None:
    from ray import tune

    space = nas_tune.param_space(SMALL)
    assert list(space["architecture"]) == [d.name for d in SMALL.decisions]
    told = nas_tune.Search("random", SMALL)
    assert told.set_search_properties("loss", "min", space)
    assert (told.metric, told.mode) == ("loss", "min")
    assert told._record.study.direction.name == "MINIMIZE"
    own = nas_tune.Search("random", SMALL, metric="reward", mode="max")
    assert own.set_search_properties("loss", "min", space | {"lr": 0.1})
    assert (own.metric, own.mode) == ("reward", "max")
    for drawn in (tune.loguniform(0.01, 0.1), tune.grid_search([0.01, 0.1])):
        with pytest.raises(UserError, match="param_space 'lr': Search proposes architectures"):
            own.set_search_properties(None, None, space | {"lr": drawn})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"controller": "surogate"}, "no controller 'surogate'|unknown controller 'surogate'"),
        ({"space": "msdd"}, "unknown search space 'msdd', did you mean 'msd'"),
        ({"space": dict}, "must be a name, a SearchSpace or a nas.tune.trainable"),
        ({"population": 20}, "controller 'random' has no option 'population'"),
        ({"mode": None}, "mode None of metric 'reward': give max or min"),
        ({"mode": "maximize"}, "mode 'maximize' of metric 'reward': give max or min"),
        ({"mode": "obs"}, "mode 'obs'"),
        ({"metric": None}, "Search has no metric: give metric='reward', mode='max'"),
        ({"metric": ["reward", "loss"]}, "give max or min for each metric"),
        ({"metric": ["loss"] * 2, "mode": ["min"] * 2}, "name each metric once"),
        (
            {"controller": "reinforce", "metric": ["a", "b"], "mode": ["max", "min"]},
            "one objective",
        ),
    ],
)
def test_what_is_wrong_is_one_clear_error(
    search: Callable[..., Any], wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises((UserError, ControllerError), match=said) as caught:
        search(**wrong)
    assert len(str(caught.value).splitlines()) == 1


def test_a_search_without_a_metric_and_a_metric_that_nobody_reports(nas_tune: ModuleType) -> None:
    network = nas_tune.trainable("msd", **tuned.TASK)
    with pytest.raises(UserError, match="Search has no metric"):
        nas_tune.Search("random", network).suggest("first")
    with pytest.raises(UserError, match="unknown metric 'rewad', did you mean 'reward'"):
        nas_tune.Search("random", network, metric="rewad", mode="max")


def test_with_the_trainable_for_a_space_latencies_are_known_before_training(
    nas_tune: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = nas_tune.trainable("msd", **tuned.TASK)
    costs = []
    make = plugins.controller

    def controller(name: str, **given: Any) -> Any:
        costs.append(given["cost"])
        return make(name, **given)

    monkeypatch.setattr(plugins, "controller", controller)
    nas_tune.Search("surrogate", network, metric="reward", mode="max")
    cost, architecture = costs[-1], SMALL.sample(np.random.default_rng(0))
    graph = SMALL.blocks(architecture, (1, 8, 8), 4)
    with network.task.source() as source:
        assert cost(architecture) == source.estimate(graph)[-1].latency_ms
    assert cost.weights(architecture) == (pytest.approx(cost(architecture) ** -0.07),)
    metric, mode = ["accuracy", "parameters"], ["max", "min"]
    nas_tune.Search("surrogate", network, metric=metric, mode=mode)
    assert costs[-1].weights(architecture) == (1.0, 1.0)
    nas_tune.Search("surrogate", network, metric="loss", mode="min")
    assert not hasattr(costs[-1], "weights") and len(costs[-1].measures(architecture)) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state | {"space": "resnet"},
        lambda state: state | {"metric": "loss"},
        lambda state: state | {"record": {}},
        lambda state: state | {"record": state["record"] | {"numbers": {"x": 99}}},
        lambda state: [],
    ],
)
def test_a_state_of_another_search_or_a_damaged_one_is_one_clear_error(
    search: Callable[..., Any], change: Callable[[Any], Any], tmp_path: Path
) -> None:
    path = tmp_path / "state"
    first = search()
    drive(first, 3)
    first.save(str(path))
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UserError) as caught:
        search().restore(str(path))
    assert len(str(caught.value).splitlines()) == 1
    path.write_bytes(b"\x80\x04nothing of JSON")
    with pytest.raises(UserError, match="not a state of"):
        search().restore(str(path))
