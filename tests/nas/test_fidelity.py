"""A search that stops early those that promise less: in the loop, cut anywhere, and for real."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas import loop as module
from nas import results, searches, summary
from nas.errors import UserError
from nas.executors.protocol import Done, Report
from nas.faults import Fault
from nas.measurement import HeldOut
from nas.proposals import Proposal
from nas.run import Run
from nas.training.trial import TrialJob, TrialOutcome
from tests.nas.table_search import (  # noqa: F401
    Heard,
    PowerCut,
    Table,
    looked_up,
    loop_of,
    made_run,
    small,
)
from tests.nas.test_search_loop import sequence

ASHA = {"fidelity": "asha", "epochs": 9, "trials": 18, "controller": "random"}


class Learning(Table):
    """Networks that get better by the epoch, each at its own pace; counts the epochs."""

    def __init__(self, capacity: int = 1, limit: int | None = None) -> None:
        super().__init__(capacity, limit=limit)
        self.epochs: dict[int, list[tuple[int, int]]] = {}  # from and to, by seed
        self.begun: dict[int, int] = {}

    def submit(self, job: TrialJob, begun: bytes | None = None, memory: int = 0) -> None:
        self.begun[job.number] = 0 if begun is None else int(begun)
        super().submit(job, begun, memory)

    def completed(self, timeout: float) -> list[Done]:
        ended = super().completed(timeout)
        return [self._cut(done) for done in ended]

    def _cut(self, done: Done) -> Done:
        outcome = done.outcome
        assert outcome is not None
        first, last = self.begun[done.number], outcome.epochs
        self.epochs.setdefault(done.number, []).append((first, last))
        correct = outcome.held_out.correct
        shown = correct & (np.arange(len(correct))[:, None] % 9 < last)
        held_out = HeldOut(outcome.held_out.confidence, shown)
        left = str(last).encode() if last < 9 else None
        return Done(
            done.number,
            TrialOutcome(
                outcome.number, held_out, float(last), last, b"weights", outcome.losses, left
            ),
            None,
        )


@pytest.fixture(autouse=True)
def plain_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is the number of its epochs."""
    from nas.training import trial_checkpoint

    monkeypatch.setattr(trial_checkpoint, "epochs", lambda digest, data: int(data))


@pytest.mark.parametrize("capacity", [1, 3])
@pytest.mark.parametrize("objective", ["reward", "pareto"])
def test_a_third_goes_on_and_no_epoch_is_trained_twice(
    tmp_path: Path, capacity: int, objective: str
) -> None:
    run, executor = made_run(tmp_path, objective=objective, **ASHA), Learning(capacity)
    loop_of(run).go(executor)
    records = run.records()
    counted = [record for record in records if record.is_counted]
    assert len(counted) == 18
    assert {record.state for record in records} == {"complete", "pruned"}
    trained = [m for record in records if (m := record.measurement) and not record.reused_from]
    assert {each.epochs for each in trained} == {1, 3, 9}
    taken_up = {record.continues for record in records}
    spent = sum(
        record.measurement.epochs
        for record in records
        if record.measurement and record.reused_from is None and record.trial not in taken_up
    )
    assert spent == sum(last - first for parts in executor.epochs.values() for first, last in parts)
    assert spent < 0.6 * 9 * 18
    full = [record for record in records if record.state == "complete"]
    assert {record.measurement.epochs for record in full if record.measurement} == {9}
    assert 1 <= len(full) <= 9


def epochs_of(run: Run) -> list[int | None]:
    return [record.measurement and record.measurement.epochs for record in run.records()]


@pytest.mark.parametrize("controller", ["random", "surrogate", "evolution", "tpe", "ppo"])
@pytest.mark.parametrize("limits", [(1, 2, 3, 5, 8), (4, 7, 4, 9)])
def test_wherever_it_is_cut_it_goes_on_as_if_it_had_not_been(
    tmp_path: Path, controller: str, limits: tuple[int, ...]
) -> None:
    options = {**ASHA, "controller": controller, "seed": 2}
    whole = made_run(tmp_path / "whole", **options)
    loop_of(whole).go(Learning())
    cut = made_run(tmp_path / "cut", **options)
    for limit in limits:
        with suppress(PowerCut):
            loop_of(cut).go(Learning(limit=limit))
    loop_of(cut).go(Learning())
    assert sequence(cut) == sequence(whole)
    assert epochs_of(cut) == epochs_of(whole)


def test_more_trials_promote_those_that_were_stopped(tmp_path: Path) -> None:
    run = made_run(tmp_path, **{**ASHA, "trials": 3})
    loop_of(run).go(Learning())
    before = {record.trial for record in run.records() if record.state == "pruned"}
    assert before
    more = Run(run.path, run.settings.model_copy(update={"trials": 30}), run.latency)
    loop_of(more).go(Learning())
    records = more.records()
    assert before <= {record.trial for record in records if record.state == "pruned"}
    taken_up = [record for record in records if record.continues is not None]
    assert taken_up
    for record in taken_up:
        earlier = records[record.continues or 0]
        assert earlier.architecture == record.architecture
        assert earlier.measurement is not None and record.measurement is not None
        assert earlier.measurement.epochs < record.measurement.epochs
        assert earlier.measurement.seed == record.measurement.seed


def test_a_network_that_was_stopped_is_not_trained_again_when_it_is_proposed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, executor = made_run(tmp_path, **ASHA), Learning()
    loop = loop_of(run)
    propose, said = module.propose, list[Proposal]()

    def twice(*given: Any) -> Proposal:
        said.append(propose(*given))
        earlier = said[(len(said) - 1) // 2 * 2]  # 0 0 2 2 4 4
        return replace(said[-1], architecture=earlier.architecture)

    monkeypatch.setattr(module, "propose", twice)
    loop.go(executor)
    records = run.records()
    again = [r for r in records if r.state == "pruned" and r.reused_from is not None]
    assert again
    assert not {record.trial for record in again} & executor.epochs.keys()
    assert results.status(run)["state"] == "finished"


@pytest.mark.parametrize("capacity", [1, 3])
def test_a_training_is_not_taken_up_when_the_network_was_trained_whole_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capacity: int
) -> None:
    run, executor = made_run(tmp_path, **{**ASHA, "trials": 40}), Learning(capacity)
    propose, said = module.propose, list[Proposal]()

    def twice(*given: Any) -> Proposal:
        said.append(propose(*given))
        if len(said) % 4:
            return said[-1]
        return replace(said[-1], architecture=said[-4].architecture, again=True)

    monkeypatch.setattr(module, "propose", twice)
    loop_of(run).go(executor)
    records = run.records()
    whole = {r.architecture for r in records if r.state == "complete" and r.continues is None}
    stopped = {r.architecture for r in records if r.is_stopped and r.reused_from is None}
    assert stopped & whole
    ends = [(r.trial, r.architecture) for r in records if r.continues is not None]
    begun = {r.architecture: r.trial for r in records if r.state == "complete"}
    assert not [trial for trial, network in ends if begun.get(network, trial) < trial]
    assert sum(record.is_counted for record in records) == 40
    loop_of(Run(run.path, run.settings, run.latency)).go(Learning())  # it is remembered so too
    assert len(run.records()) == len(records)


def test_the_summary_counts_who_was_stopped(tmp_path: Path) -> None:
    run = made_run(tmp_path, **ASHA)
    loop_of(run).go(Learning())
    stopped = results.status(run)["stopped_early"]
    assert f"{stopped} stopped early" in summary.text(run)
    assert len(list((run.path / "weights").iterdir())) <= results.status(run)["trials"]["complete"]


def test_patience_ends_a_search_that_finds_nothing_better(tmp_path: Path) -> None:
    run = made_run(tmp_path, trials=500, patience=7, controller="random")
    why = loop_of(run).go(Table())
    assert why == "no progress in 7 trials in a row (patience)"
    assert why in summary.text(run)
    count = len(run.records())
    assert 7 < count < 500
    assert loop_of(run).go(Table()) == why, "a search that goes on remembers"
    assert len(run.records()) == count


class Faulty(Table):
    """Fails with these faults in turn, then trains."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__()
        self.faults, self.begun = list(faults), list[bytes | None]()

    def submit(self, job: TrialJob, begun: bytes | None = None, memory: int = 0) -> None:
        self.begun.append(begun)
        super().submit(job, begun, memory)

    def completed(self, timeout: float) -> list[Done]:
        if self.faults and self.jobs:
            return [Done(self.jobs.pop().number, None, self.faults.pop(0))]
        return super().completed(timeout)


@pytest.mark.parametrize(
    ("reason", "attempts"),
    [
        ("worker-died", 3),
        ("node-lost", 5),
        ("timeout", 2),
        ("oom", 2),
        ("nan", 1),
        ("exception", 1),
    ],
)
def test_faults_of_the_machine_are_tried_again_and_others_are_not(
    tmp_path: Path, reason: Any, attempts: int
) -> None:
    fault = Fault(reason, "out of luck")
    run = made_run(tmp_path / "enough", trials=1, controller="random")
    loop_of(run).go(Faulty(*[fault] * (attempts - 1)))
    assert [record.state for record in run.records()] == ["complete"]
    run = made_run(tmp_path / "too many", trials=1, controller="random")
    executor = Faulty(*[fault] * attempts)
    loop_of(run).go(executor)
    (record,) = run.records()
    assert (record.state, record.reason) == ("failed", reason)
    assert record.error is not None and record.error.startswith("out of luck")
    assert len(executor.begun) == attempts


def test_another_attempt_goes_on_where_the_last_report_was(tmp_path: Path) -> None:
    run = made_run(tmp_path, trials=1, controller="random", epochs=9)
    loop = loop_of(run)

    class Dying(Faulty):
        def completed(self, timeout: float) -> list[Done]:
            if self.faults and self.jobs:
                loop.on_report(Report(self.jobs[0].number, (1.0, 0.5), b"2"))
            return super().completed(timeout)

    executor = Dying(Fault("worker-died", "gone"))
    loop.go(executor)
    assert executor.begun == [None, b"2"]
    loop.on_report(Report(0, (1.0, 0.5, 0.2), b"3"))  # of an attempt that is over
    assert not list((run.path / "checkpoints").iterdir())


def test_rungs_beyond_the_end_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="grace 4"):
        searches.search(
            "msd", out=str(tmp_path), fidelity="asha", grace=4, epochs=4, runtime="macs"
        )
    assert not list(tmp_path.iterdir())
