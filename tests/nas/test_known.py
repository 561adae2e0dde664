"""What controllers are told before training agrees with what trials are told after it."""

from pathlib import Path

import numpy as np
import pytest

from latency.macs import MacsLatency
from nas import plugins
from nas.bounds import Bounds
from nas.latency import known as known_module
from nas.latency.kept_facts import FILE
from nas.latency.known import Known, Sizes, of_run
from nas.latency.search_model import Shape
from nas.objective import Objective
from nas.rewards import Reward
from search_spaces.architecture import Architecture
from search_spaces.msd import MSD
from search_spaces.operators import costs
from tests.nas.device_by_law import Lawful, source
from tests.nas.table_search import made_run

IMAGE, CLASSES = (3, 32, 32), 10
REWARD = Reward.soft(0.5)


def shape(space: str) -> Shape:
    return Shape(plugins.space(space), IMAGE, CLASSES)


def sampled(space: str) -> Architecture:
    return plugins.space(space).sample(np.random.default_rng(3))


@pytest.mark.parametrize("risk", ["mean", "upper"])
@pytest.mark.parametrize("space", ["msd", "shufflenet"])
def test_latency_and_its_reward_are_those_of_the_last_exit(space: str, risk: str) -> None:
    objective = Objective.parse("reward", REWARD, risk)  # type: ignore[arg-type]
    known = Known(shape(space), MacsLatency(), objective, Bounds())
    architecture = sampled(space)
    graph = plugins.space(space).blocks(architecture, IMAGE, CLASSES)
    last = MacsLatency().estimate(graph)[-1]
    expected = last.high_ms if risk == "upper" else last.latency_ms
    assert known(architecture) == expected
    assert known.weights(architecture) == (REWARD(1.0, expected),)
    assert known.known(architecture) == (None,)
    assert known.violation(architecture) == 0


def test_of_several_objectives_those_are_known_that_training_does_not_change() -> None:
    objective = Objective.parse("pareto:accuracy,latency_ms,parameters", REWARD)
    known = Known(shape("msd"), MacsLatency(), objective, Bounds())
    architecture = sampled("msd")
    parameters = costs(plugins.space("msd").blocks(architecture, IMAGE, CLASSES)).parameters
    assert known.known(architecture) == (None, None, parameters)
    # Where images leave, and so which share of the last exit's time they take, training tells.
    assert known.weights(architecture) == (1.0, known(architecture), 1.0)


def test_networks_that_would_not_be_trained_are_out_of_bounds() -> None:
    architecture = sampled("msd")
    ms = Known(shape("msd"), MacsLatency(), Objective.parse("reward", REWARD), Bounds())(
        architecture
    )
    known = Known(shape("msd"), MacsLatency(), Objective.parse("reward", REWARD), Bounds(ms / 2))
    assert known.violation(architecture) == pytest.approx(1.0)
    assert known.beyond(architecture) == f"{ms:.4g} ms to its last exit, over {ms / 2:.4g} ms"


def test_sizes_bound_where_latency_is_not_known() -> None:
    architecture = sampled("msd")
    facts = Sizes(shape("msd"), Bounds()).facts(architecture)
    tight = Bounds(1e-9, facts.parameters, facts.macs[-1] // 2)
    assert Sizes(shape("msd"), tight).violation(architecture) == pytest.approx(1.0, abs=1e-4)
    assert Sizes(shape("msd"), Bounds(1e-9, facts.parameters)).violation(architecture) == 0


def test_measures_are_positive_and_always_as_many() -> None:
    known = Known(shape("msd"), MacsLatency(), Objective.parse("reward", REWARD), Bounds())
    rng = np.random.default_rng(0)
    for _ in range(5):
        found = known.measures(plugins.space("msd").sample(rng))
        assert len(found) == 5
        assert min(found) > 0


def test_where_each_network_is_measured_only_sizes_are_known(tmp_path: Path) -> None:
    run = made_run(tmp_path, trials=1)
    by_law = of_run(run, MacsLatency())
    assert isinstance(by_law, Known)
    measured = of_run(run, source(Lawful()))
    assert type(measured) is Sizes
    assert len(measured.measures(sampled("msd"))) == 3


def test_what_was_asked_of_a_trial_is_not_worked_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(tmp_path, trials=3, controller="surrogate")
    first, architecture, other = (
        of_run(run, MacsLatency()),
        sampled("msd"),
        MSD.sample(np.random.default_rng(4)),
    )
    facts, others = first.facts(architecture), first.facts(other)
    first.keep(architecture)
    first.keep(architecture)
    whole = (run.path / FILE).read_bytes()
    assert whole.count(b"\n") == 2
    second = of_run(run, MacsLatency())
    with monkeypatch.context() as asked:
        asked.setattr(known_module, "costs", lambda graph: pytest.fail("worked out again"))
        assert second.facts(architecture) == facts
    assert second.facts(other) == others
    assert (run.path / FILE).read_bytes() == whole


def test_what_nobody_asked_is_not_kept(tmp_path: Path) -> None:
    known = of_run(made_run(tmp_path, trials=3), MacsLatency())
    known.keep(sampled("msd"))
    assert (tmp_path.rglob(FILE).__next__()).read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("damage", ["torn", "garbage", "another device", "missing"])
def test_a_damaged_file_costs_time_alone(tmp_path: Path, damage: str) -> None:
    run = made_run(tmp_path, trials=3, controller="surrogate")
    known, architecture = of_run(run, MacsLatency()), sampled("msd")
    facts = known.facts(architecture)
    known.keep(architecture)
    path = run.path / FILE
    text = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        changed = {
            "torn": text[:-20],
            "garbage": text + b'["key", 3]\n\xff\n',
            "another device": b'"other"\n' + text.split(b"\n", 1)[1],
        }
        path.write_bytes(changed[damage])
    again = of_run(run, MacsLatency())
    assert again.facts(architecture) == facts
    again.keep(architecture)
    assert path.read_bytes() == text
