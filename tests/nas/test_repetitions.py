"""Networks trained more than once: the controller asks for it, and the middle training counts."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas import frame, results, summary
from nas.executors.protocol import Done
from nas.measurement import HeldOut
from nas.objective import Objective
from nas.record import TrialRecord
from nas.repetitions import is_training, middle, quality, repeated, settled
from nas.rewards import Reward
from nas.run import Run
from tests.nas.made_up import architecture, measurement
from tests.nas.repeater import repeats  # noqa: F401
from tests.nas.table_search import (  # noqa: F401
    Heard,
    PowerCut,
    Table,
    loop_of,
    made_run,
    small,
)
from tests.nas.watched import whole

pytestmark = pytest.mark.usefixtures("repeats")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_the_middle_has_no_more_below_than_above(qualities: list[float]) -> None:
    found, _ = middle([(each, at) for at, each in enumerate(qualities)], lambda each: each)
    below = sum(each < found for each in qualities)
    above = sum(each > found for each in qualities)
    assert below <= (len(qualities) - 1) // 2
    assert above <= len(qualities) // 2


def record(trial: int, key: str, skill: float) -> TrialRecord:
    return TrialRecord(trial, "complete", architecture(key), measurement(seed=trial, skill=skill))


def test_of_two_trainings_the_worse_stands_and_of_three_the_middle_one() -> None:
    lucky, poor, fair = record(0, "a", 0.7), record(2, "a", 0.4), record(3, "a", 0.55)
    other = record(1, "b", 0.5)
    again = TrialRecord(4, "complete", lucky.architecture, lucky.measurement, reused_from=0)
    failed = TrialRecord(5, "failed", architecture("a"), error="the loss became nan")
    assert settled([lucky, other, poor]) == [other, poor]
    assert settled([lucky, other, poor, fair, again, failed]) == [other, fair, again, failed]
    assert repeated([lucky, other, poor, fair, again, failed]) == 2


def test_fronts_and_volumes_count_what_stands() -> None:
    objective = Objective.parse("reward", Reward.soft(2.0))
    lucky, poor, other = record(0, "a", 0.7), record(2, "a", 0.4), record(1, "b", 0.5)
    once, twice = [lucky, other], [lucky, other, poor]
    assert set(frame.pareto(twice, objective)["trial"]) <= {1, 2}
    assert frame.hypervolume(twice, objective) == frame.hypervolume([other, poor], objective)
    assert frame.hypervolume(twice, objective) < frame.hypervolume(once, objective)
    assert len(frame.trials(twice, objective)) == 3


class Noisy(Table):
    """Trainings that differ by their seeds."""

    def completed(self, timeout: float) -> list[Done]:
        job = self.jobs[-1] if self.jobs else None
        ended = super().completed(timeout)
        for done in ended:
            assert job is not None and done.outcome is not None
            exits = done.outcome.held_out.exits
            rng = np.random.default_rng(job.seed)
            correct = rng.random((100, exits)) < rng.uniform(0.3, 0.9)
            held_out = HeldOut(done.outcome.held_out.confidence, correct)
            object.__setattr__(done.outcome, "held_out", held_out)
        return ended


def searched(out: Path, **options: Any) -> Run:
    run = made_run(out, trials=6, controller="repeater", **options)
    loop_of(run).go(Noisy())
    return run


def facts(run: Run) -> list[tuple[Any, ...]]:
    return [
        (each.architecture.key, each.reused_from, quality(each.measurement))
        for each in run.records()
        if each.architecture and each.measurement
    ]


def test_what_the_controller_wants_again_is_trained_with_another_seed(tmp_path: Path) -> None:
    run = searched(tmp_path)
    trained = [each for each in run.records() if is_training(each)]
    assert len(trained) == 6
    keys = Counter(each.architecture.key for each in trained if each.architecture)
    assert sorted(keys.values()) == [1, 1, 4]
    seeds = {each.measurement.seed for each in trained if each.measurement}
    assert len(seeds) == 6
    assert results.status(run)["trained_again"] == 3
    assert "3 trained again" in summary.text(run)


def test_a_training_that_was_cut_is_taken_up_again(tmp_path: Path) -> None:
    cut = made_run(tmp_path / "cut", trials=6, controller="repeater")
    for lasts in (2, 3):
        with pytest.raises(PowerCut):
            loop_of(cut).go(Noisy(limit=lasts))
    loop_of(cut).go(Noisy())
    assert facts(cut) == facts(searched(tmp_path / "whole"))


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_kept_of_all_trainings_of_the_front(tmp_path: Path, seed: int) -> None:
    run, heard = made_run(tmp_path, trials=6, controller="repeater", seed=seed), Heard()
    loop_of(run, progress=heard).go(Noisy())
    records = run.records()
    key = {each.trial: each.architecture.key for each in records if each.architecture}
    best = results.best(run)
    assert best is not None
    assert best.trial in {each.trial for each in settled(records)}
    front = {key[n] for n in frame.pareto(records, run.objective())["trial"]} | {key[best.trial]}
    kept = {int(file.stem) for file in (run.path / "weights").iterdir()}
    # A network that came back when a better one was trained again has lost its weights.
    assert {key[n] for n in kept} <= front
    assert {n for n in key if list(key.values()).count(key[n]) > 1 and key[n] in front} <= kept
    assert heard.statuses[-1].best_reward == run.objective().merit(best.measurement)[0]  # type: ignore[arg-type]


def test_the_page_is_told_what_trainings_are_compared_by(tmp_path: Path) -> None:
    run = searched(tmp_path)
    told = {trial["n"]: trial["right"] for trial in whole(run)["trials"]}
    assert told == {each.trial: quality(each.measurement) for each in run.records()}  # type: ignore[arg-type]
