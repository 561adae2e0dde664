from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controllers.record import ASKED_AFTER, TOLD
from latency.bench import DeviceLost
from latency.macs import MacsLatency
from latency.source import PerExit
from nas import frame, pareto, plugins
from nas.errors import UserError
from nas.interruption import Interruption, Stopped
from nas.loop import HOPELESS, Loop
from nas.measurement import HeldOut
from nas.objective import DIRECTIONS
from nas.run import Run
from nas.searches import Interrupted, search
from nas.store import read
from nas.target import from_random
from nas.training.recipe import SHORT_EPOCHS
from search_spaces.blocks import BlockGraph
from tests.nas.small_msd import SMALL, WHERE
from tests.nas.table_search import (  # noqa: F401
    CLASSES,
    IMAGE,
    Heard,
    PowerCut,
    Table,
    loop_of,
    made_run,
    small,
)

CONTROLLERS = ("random", "tpe", "nsga2", "reinforce", "evolution", "surrogate", "ppo")


def sequence(run: Run) -> list[tuple[Any, ...]]:
    table = frame.trials(run.records(), run.objective())
    columns = ["state", "key", "architecture", "accuracy", "latency_ms", "reward", "reused_from"]
    return [tuple(row) for row in table[columns].astype(object).fillna("none").to_numpy()]


def always(loop: Loop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller that says the same twice, then the next: 0 0 1 1 2 2."""
    from nas import loop as module
    from nas.proposals import Proposal

    propose = module.propose
    said: dict[int, Any] = {}

    def twice(store: Any, sampler: Any, space: Any) -> Proposal:
        proposal = propose(store, sampler, space)
        said[proposal.number] = proposal.architecture
        return Proposal(proposal.number, said[proposal.number - proposal.number % 2])

    monkeypatch.setattr(module, "propose", twice)


@pytest.mark.parametrize("capacity", [1, 3])
def test_all_trials_end_and_are_recorded(tmp_path: Path, capacity: int) -> None:
    run = made_run(tmp_path, trials=6, controller="random")
    loop_of(run).go(Table(capacity))
    records = run.records()
    assert [record.trial for record in records] == list(range(6))
    assert {record.state for record in records} == {"complete"}
    rows = read(run.storage_url, run.name)
    assert sorted(row.system_attrs[TOLD] for row in rows) == list(range(1, 7))
    asked = [row.system_attrs[ASKED_AFTER] for row in rows]
    assert asked == sorted(asked)
    assert max(n - after for n, after in enumerate(asked)) == capacity - 1


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_the_same_seed_gives_the_same_search_wherever_it_was_cut(
    tmp_path: Path, controller: str
) -> None:
    options = {"trials": 13, "controller": controller, "seed": 3}
    whole = made_run(tmp_path / "whole", **options)
    loop_of(whole).go(Table())
    cut = made_run(tmp_path / "cut", **options)
    for lasts in (1, 6, 5):
        with pytest.raises(PowerCut):
            loop_of(cut).go(Table(limit=lasts))
        assert cut.records()[-1].state == "running"
    loop_of(cut).go(Table())
    assert sequence(cut) == sequence(whole)


def test_another_seed_gives_another_search(tmp_path: Path) -> None:
    runs = [made_run(tmp_path / str(seed), trials=5, seed=seed) for seed in (0, 1)]
    for run in runs:
        loop_of(run).go(Table())
    assert sequence(runs[0]) != sequence(runs[1])


@pytest.mark.parametrize("controller", ["tpe", "nsga2"])
def test_two_and_three_objectives(tmp_path: Path, controller: str) -> None:
    objective = "pareto:accuracy,latency_ms,parameters"
    run = made_run(tmp_path, trials=12, controller=controller, objective=objective)
    loop_of(run).go(Table(2))
    for record, row in zip(run.records(), read(run.storage_url, run.name), strict=True):
        assert record.measurement is not None
        assert row.values == list(run.objective().values(record.measurement))


@pytest.mark.parametrize("capacity", [1, 2])
def test_a_network_is_trained_once(
    tmp_path: Path, capacity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(tmp_path, trials=8, controller="random")
    loop, table, heard = loop_of(run, progress=(heard := Heard())), Table(capacity), heard
    always(loop, run, monkeypatch)
    loop.go(table)
    assert sorted(table.submitted) == [0, 2, 4, 6]
    monkeypatch.undo()
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)
    rows = read(run.storage_url, run.name)
    facts = [row.user_attrs["nas:facts"] for row in rows]
    assert [fact["reused_from"] for fact in facts] == [None, 0, None, 2, None, 4, None, 6]
    assert [row.values for row in rows[::2]] == [row.values for row in rows[1::2]]
    assert heard.statuses[-1].reused == 4


def test_a_duplicate_of_a_failed_trial_is_tried_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(tmp_path, trials=4, controller="random")
    loop, table = loop_of(run), Table(2, failing=(0,))
    always(loop, run, monkeypatch)
    loop.go(table)
    states = [row.state.name for row in read(run.storage_url, run.name)]
    assert states == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert 1 in table.submitted


def test_failed_trials_are_told_and_the_search_goes_on(tmp_path: Path) -> None:
    run, heard = made_run(tmp_path, trials=6, controller="tpe"), Heard()
    loop_of(run, progress=heard).go(Table(failing=(1, 4)))
    records = run.records()
    assert [record.trial for record in records if record.state == "failed"] == [1, 4]
    assert records[4].error == "RuntimeError: out of luck"
    assert "trial 4 failed: RuntimeError: out of luck" in heard.lines
    assert heard.statuses[-1].failed == 2
    assert all(row.system_attrs[TOLD] for row in read(run.storage_url, run.name))


def test_a_hopeless_search_stops_in_one_line(tmp_path: Path) -> None:
    run, table = made_run(tmp_path, trials=50, controller="random"), Table(failing=range(50))
    with pytest.raises(UserError, match="first 5 trials all failed, last: RuntimeError: out"):
        loop_of(run).go(table)
    assert len(table.submitted) == HOPELESS == len(run.records())


def test_no_trial_starts_after_the_time(tmp_path: Path) -> None:
    run = made_run(tmp_path, trials=50, controller="random", max_time=100)
    now = [0.0]

    class Slow(Table):
        def completed(self, timeout: float) -> list[Any]:
            now[0] += 30
            return super().completed(timeout)

    loop_of(run, clock=lambda: now[0]).go(Slow())
    assert len(run.records()) == 4
    assert {record.state for record in run.records()} == {"complete"}


def test_asked_to_stop_it_keeps_what_is_finished(tmp_path: Path) -> None:
    run, interruption = made_run(tmp_path, trials=10, controller="random"), Interruption()

    class Stopping(Table):
        def completed(self, timeout: float) -> list[Any]:
            interruption.requested = len(self.submitted) == 5
            return super().completed(timeout)

    loop_of(run, interruption=interruption).go(Stopping(2))
    states = [record.state for record in run.records()]
    assert sorted(states) == ["complete"] * 4 + ["running"]
    loop_of(run).go(Table())
    assert {record.state for record in run.records()} == {"complete"}
    assert len(run.records()) == 10


def test_stopped_while_a_network_is_timed_it_keeps_what_is_finished(tmp_path: Path) -> None:
    run, interruption = made_run(tmp_path, trials=6, controller="random"), Interruption()
    asked = []

    class StoppedWhileTiming(MacsLatency):
        def estimate(self, graph: BlockGraph, seed: int = 0) -> PerExit:
            asked.append(graph)
            if len(asked) == 4:
                interruption.requested = True
                raise Stopped
            return super().estimate(graph, seed)

    loop_of(run, interruption=interruption, source=StoppedWhileTiming()).go(Table())
    assert [record.state for record in run.records()] == ["complete"] * 3 + ["running"]
    loop_of(run).go(Table())
    assert {record.state for record in run.records()} == {"complete"}
    assert len(run.records()) == 6


def test_the_front_keeps_its_weights_and_others_none(tmp_path: Path) -> None:
    run = made_run(tmp_path, trials=8, controller="random")
    loop_of(run).go(Table())
    front = set(frame.pareto(run.records(), run.objective())["trial"])
    kept = {int(file.stem) for file in (run.path / "weights").iterdir()}
    assert kept == front
    assert len(front) < 8
    assert {file.stem for file in (run.path / "facts").iterdir()} == {f"{n:05d}" for n in range(8)}


def test_the_front_is_over_the_facts_that_are_optimised(tmp_path: Path) -> None:
    run = made_run(tmp_path, trials=8, controller="random", objective="pareto:accuracy,parameters")
    loop_of(run).go(Table())
    objective = run.objective()
    assert objective.plane == ("accuracy", "parameters")
    assert pareto.front([(1.0, 2.0)], [DIRECTIONS[fact] for fact in objective.plane]) == (0,)
    front = set(frame.pareto(run.records(), objective)["trial"])
    assert {int(file.stem) for file in (run.path / "weights").iterdir()} == front


def test_facts_come_back_as_they_were_found(tmp_path: Path) -> None:
    run, seen = made_run(tmp_path, trials=2, controller="random"), {}

    class Watched(Table):
        def completed(self, timeout: float) -> list[Any]:
            ended = super().completed(timeout)
            seen.update({done.number: done.outcome for done in ended})
            return ended

    loop_of(run).go(Watched())
    for record in run.records():
        assert record.measurement is not None
        held_out: HeldOut = seen[record.trial].held_out
        assert np.array_equal(record.measurement.held_out.confidence, held_out.confidence)
        assert np.array_equal(record.measurement.held_out.correct, held_out.correct)
        assert record.measurement.epochs == SHORT_EPOCHS


def test_a_network_that_cannot_be_timed_is_a_failed_trial(tmp_path: Path) -> None:
    run = made_run(tmp_path, trials=3, controller="random")
    loop = loop_of(run)
    estimate: Callable[..., Any] = loop._pricer._source.estimate
    asked = []

    class Moody:
        name, device = "macs", "simulated"

        def estimate(self, graph: Any, seed: int = 0) -> Any:
            asked.append(seed)
            if len(asked) == 2:
                raise RuntimeError("device on fire\nand more")
            return estimate(graph, seed)

    loop._pricer._source = Moody()  # type: ignore[assignment]
    loop.go(Table())
    states = [(record.state, record.error) for record in run.records()]
    assert states[1] == ("failed", "RuntimeError: device on fire")
    assert [state for state, _ in states] == ["complete", "failed", "complete"]
    assert len(set(asked)) == 3


def test_a_lost_device_ends_a_search_that_can_go_on(tmp_path: Path) -> None:
    run = made_run(tmp_path, trials=3, controller="random")
    loop = loop_of(run)
    loop._pricer._source = Lost(loop._pricer._source)  # type: ignore[assignment]
    with pytest.raises(DeviceLost):
        loop.go(Table())
    assert [record.state for record in run.records()] == ["complete", "running"]
    loop_of(run).go(Table())
    assert [record.state for record in run.records()] == ["complete"] * 3


class Lost:
    """A source whose device is lost after the first network."""

    name, device = "macs", "simulated"

    def __init__(self, source: Any) -> None:
        self._source, self._asked = source, 0

    def estimate(self, graph: Any, seed: int = 0) -> Any:
        self._asked += 1
        if self._asked > 1:
            raise DeviceLost("device 'pi5': its node has left Ray")
        return self._source.estimate(graph, seed)

    def estimate_many(self, graphs: Any, seed: int = 0) -> Any:
        return tuple(self.estimate(graph, seed) for graph in graphs)


@pytest.fixture(scope="module")
def slowest(tmp_path_factory: pytest.TempPathFactory) -> float:
    """The median latency of a search without bounds, in milliseconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", WHERE)
        free = made_run(tmp_path_factory.mktemp("free"), trials=8, controller="random")
        loop_of(free).go(Table())
        latencies = frame.trials(free.records(), free.objective())["latency_ms"]
    return float(latencies.median())


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_networks_that_are_too_slow_are_not_trained(
    tmp_path: Path, controller: str, slowest: float
) -> None:
    options = {"trials": 6, "controller": controller, "max_latency": slowest}
    run = made_run(tmp_path, **options)
    table = Table()
    loop_of(run).go(table)
    records = run.records()
    trained = [r for r in records if r.measurement is not None]
    slow = [r for r in records if r.state == "pruned"]
    assert len(trained) == 6
    assert all(r.measurement.exit_latency_ms[-1] <= slowest for r in trained if r.measurement)
    assert slow
    assert all("over" in (r.error or "") for r in slow)
    assert not {r.trial for r in slow} & set(table.submitted)


def test_a_search_that_finds_nothing_fast_enough_ends(tmp_path: Path) -> None:
    run = made_run(tmp_path, trials=1, controller="random", max_latency=1e-6)
    loop_of(run).go(Table())
    assert {record.state for record in run.records()} == {"pruned"}


def test_a_stop_before_the_first_trial_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(_: Interruption) -> None:
        raise Stopped

    monkeypatch.setattr(Interruption, "check", asked)
    with pytest.raises(Interrupted, match="nothing was written"):
        search(runtime="macs", executor="inline", trials=1, out=str(tmp_path))
    assert not list(tmp_path.iterdir())


class Counting(MacsLatency):
    def __init__(self, failing: tuple[int, ...] = ()) -> None:
        self.asked: list[int] = []
        self._failing, self._count = failing, 0

    def estimate_many(self, graphs: Any, seed: int = 0) -> Any:
        self.asked.append(len(graphs))
        if len(self.asked) in self._failing:
            raise RuntimeError("device on fire")
        return super().estimate_many(graphs, seed)


def test_the_target_is_timed_in_eights_and_redrawn_where_it_cannot_be() -> None:
    said: list[str] = []
    source = Counting(failing=(2, 5))  # the second eight, and of it the third by itself
    target = from_random(SMALL, source, IMAGE, CLASSES, 0, lambda: None, said.append)
    assert source.asked == [8, 8, *[1] * 8, 8, 8, 1]
    assert said[-1] == "32/32 architectures timed"
    assert target.latency_ms > 0
    burning = Counting(failing=tuple(range(1, 999)))
    with pytest.raises(RuntimeError, match="on fire"):
        from_random(SMALL, burning, IMAGE, CLASSES, 0, lambda: None)
    lost = Lost(MacsLatency())
    with pytest.raises(DeviceLost):
        from_random(SMALL, lost, IMAGE, CLASSES, 0, lambda: None)
    assert lost._asked == 2  # nobody waits for it a second time


def test_a_network_that_was_too_slow_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(tmp_path, trials=1, controller="random", max_latency=1e-6)
    measured: list[str] = []

    class Noting(MacsLatency):
        def estimate(self, graph: Any, seed: int = 0) -> Any:
            measured.append(repr(graph))
            return super().estimate(graph, seed)

    loop = loop_of(run)
    loop._pricer._source = Noting()
    always(loop, run, monkeypatch)
    loop.go(Table())
    assert len(set(measured)) == len(measured) < len(run.records())
