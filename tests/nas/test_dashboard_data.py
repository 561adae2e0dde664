"""What the page is told of a run: points, trials, what is new; and that nothing is written."""

import json
import os
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas import live
from nas.dashboard import points
from nas.dashboard.rows import Rows
from nas.dashboard.watch import Watch
from nas.errors import UserError
from nas.exits import policy_scores
from nas.pareto import front
from nas.rewards import Reward
from nas.run import Run
from nas.store import FACTS, Store
from tests.nas import made_up
from tests.nas.searched_run import TRIALS
from tests.nas.simulated_search import drive, simulated_run
from tests.nas.watched import kept, study_of, whole

# Points


MEASURED = st.builds(
    made_up.measurement,
    images=st.integers(20, 90),
    exits=st.integers(1, 5),
    seed=st.integers(0, 2**20),
    slowness=st.floats(0.01, 100),
    skill=st.floats(0.1, 0.9),
)
COSTS = ("latency_ms", "p95_ms", "worst_ms", "macs")
EXPONENT = st.floats(-3, 0)


@settings(max_examples=40)
@given(MEASURED, st.floats(0.01, 300), EXPONENT, EXPONENT)
def test_no_reward_prefers_a_point_that_is_left_out(
    measured: Any, target_ms: float, alpha: float, beta: float
) -> None:
    reward = Reward(target_ms, alpha, beta)
    kept_best = max(reward(p[1], p[2]) for p in points.of(measured))
    best = max(reward(score.accuracy, score.latency_ms) for score in policy_scores(measured))
    assert kept_best >= best * (1 - 1e-12)  # pow may round two equal latencies apart


@settings(max_examples=40)
@given(st.lists(MEASURED, min_size=1, max_size=3), st.sampled_from(COSTS))
def test_no_point_that_is_left_out_is_on_a_front(networks: list[Any], cost: str) -> None:
    every, left = [], []
    for number, measured in enumerate(networks):
        rows = {point[0] for point in points.of(measured)}
        for row, score in enumerate(policy_scores(measured)):
            every.append((score.accuracy, getattr(score, cost)))
            if row not in rows:
                left.append((number, len(every) - 1))
    standing = set(front(every, ("maximize", "minimize")))
    assert not standing & {place for _, place in left}


@settings(max_examples=40)
@given(MEASURED)
def test_a_point_says_what_its_policy_reaches(measured: Any) -> None:
    low = [0.9 * ms for ms in measured.exit_latency_ms]
    scores = policy_scores(measured)
    for row, accuracy, latency_ms, p95, worst, macs, low_ms, high_ms in points.of(measured, low):
        score = scores[row]
        assert (accuracy, latency_ms) == (score.accuracy, score.latency_ms)  # to the last digit
        assert (p95, worst) == pytest.approx((score.p95_ms, score.worst_ms), rel=1e-5)
        assert macs == round(score.macs)
        assert low_ms == pytest.approx(float(np.dot(score.shares, low)), rel=1e-5)
        assert high_ms is None


# Trials


def test_every_state_of_a_trial_is_told(searched: Run) -> None:
    told = whole(searched)["trials"]
    assert [trial["n"] for trial in told] == list(range(len(told)))
    for trial, record in zip(told, searched.records(), strict=True):
        assert trial["state"] == record.state
        assert trial["reused"] == record.reused_from
        assert trial["error"] == record.error
        assert trial["key"] == (record.architecture and record.architecture.key)
        assert bool(trial["p"]) == (record.state == "complete" and record.reused_from is None)
        if record.measurement is not None:
            assert trial["exit_ms"] == list(record.measurement.exit_latency_ms)
            assert trial["macs"] == record.measurement.exit_macs[-1]
            assert trial["params"] == record.measurement.parameters
            assert trial["how"] == (None if trial["reused"] is not None else "simulated")
            assert trial["low_ms"] is None  # a simulated device is exact
    states = {trial["state"] for trial in told}
    assert states == {"complete", "failed", "pruned"}, "the made-up search must have all of them"
    assert any(trial["reused"] is not None for trial in told)


def test_choices_lead_back_to_the_architecture(searched: Run) -> None:
    document, space = whole(searched), searched.space()
    decisions = document["head"]["decisions"]
    for trial, record in zip(document["trials"], searched.records(), strict=True):
        assert record.architecture is not None
        chosen = {
            decision["name"]: choice["v"]
            if isinstance(choice, dict)
            else decision["options"][choice]
            for decision, choice in zip(decisions, trial["c"], strict=True)
            if choice is not None
        }
        assert chosen == record.architecture.decisions()
        assert space.architecture(chosen).key == trial["key"]


def test_a_choice_beyond_the_options_is_told_as_it_is(searched: Run) -> None:
    name = next(d.name for d in searched.space().decisions if d.name.endswith("channels"))
    facts = {"architecture": {"decisions": {name: 17}}}
    (trial,) = kept(searched, [("COMPLETE", facts)])
    assert {"v": 17} in trial["c"], trial["error"]


def test_a_trial_that_runs_has_begun_and_no_more(copied: Run) -> None:
    store = study_of(copied)
    store.start({}, {}, {"architecture": copied.records()[0].architecture.to_json()})
    trial = whole(copied)["trials"][-1]
    assert trial["state"] == "running"
    assert trial["c"] == whole(copied)["trials"][0]["c"]
    assert trial["begun"] == pytest.approx(time.time(), abs=60)
    assert trial["ended"] is None
    assert trial["p"] == []


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_answers_that_cannot_be_read_become_the_trials_error(copied: Run, damage: str) -> None:
    first = next(trial["n"] for trial in whole(copied)["trials"] if trial["p"])
    path = copied.facts_path(first)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        np.savez(path, something=np.zeros(3))
    trial = whole(copied)["trials"][first]
    assert str(path) in trial["error"]
    assert "\n" not in trial["error"]
    assert trial["p"] == []
    assert sum(bool(each["p"]) for each in whole(copied)["trials"]) > 0


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"measurement": 7},
        {"measurement": {"exit_macs": "many"}},
        {"latency": [{"low_ms": None, "high_ms": 1.0}]},
        {"architecture": [1, 2]},
        {"architecture": {"decisions": 5}},
        {"measurement": {"exit_macs": []}, "latency": {}},
        {"measurement": {"seconds": float("nan"), "epochs": float("inf")}},
    ],
)
def test_damaged_facts_become_the_trials_error(searched: Run, facts: dict[str, Any]) -> None:
    (trial,) = kept(searched, [("COMPLETE", facts)])
    assert trial["error"]
    assert trial["p"] == []
    json.dumps(trial, allow_nan=False)


# Reading


def test_only_what_has_changed_is_read_again(copied: Run) -> None:
    rows = Rows(copied.storage_url, copied.name)
    count = len(rows.changed())
    assert count == len(copied.records())
    assert rows.changed() == []
    store = study_of(copied)
    begun = store.start({}, {}, {"some": "thing"}).number
    assert [(row.number, row.state.name) for row in rows.changed()] == [(begun, "RUNNING")]
    assert rows.changed() == []
    store.fail(begun, {"error": "no luck"})
    (ended,) = rows.changed()
    assert (ended.number, ended.state.name) == (begun, "FAIL")
    assert ended.attributes[FACTS] == {"error": "no luck"}
    assert rows.changed() == []


def test_other_studies_of_the_database_are_not_mixed_in(copied: Run) -> None:
    before = whole(copied)
    other = Store(copied.storage_url, "other", copied.objective().directions)
    number = other.start({}, {}, {"some": "thing"}).number
    other.fail(number, {"error": "of the other"})
    assert whole(copied) == before
    row = Rows(copied.storage_url, copied.name).one(number)
    assert row is not None
    assert row.attributes[FACTS].get("error") != "of the other"


@pytest.mark.parametrize("number", [10**6, 2**31, 2**63, 10**30])
def test_a_trial_that_is_not_there_is_none(searched: Run, number: int) -> None:
    assert Rows(searched.storage_url, searched.name).one(number) is None


def test_nothing_is_written_also_where_it_could_not_be(copied: Run) -> None:
    files = {path: path.read_bytes() for path in copied.path.rglob("*") if path.is_file()}
    expected = whole(copied)
    nobody = 65534
    for path in [copied.path, *copied.path.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    parents = [p for p in copied.path.parents if p.is_relative_to("/tmp/pytest-of-root")]
    before = {path: path.stat().st_mode for path in parents}
    try:
        for path in parents:
            path.chmod(0o755)
        if os.geteuid() == 0:  # whom no mode keeps from writing
            os.seteuid(nobody)
        seen = whole(copied)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        for path, mode in before.items():
            path.chmod(mode)
        for path in [copied.path, *copied.path.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert seen == expected
    found = {path: path.read_bytes() for path in copied.path.rglob("*") if path.is_file()}
    assert found == files


def test_a_database_that_disappears_is_one_line(copied: Run) -> None:
    watch = Watch(copied, "searched")
    seen = sum(len(part) for part in watch.look())
    database = copied.path / "study.db"
    database.rename(copied.path / "away.db")
    assert list(watch.look()) == []
    progress = watch.progress(time.time())
    assert progress["state"] == "unreadable"
    assert str(database) in progress["error"]
    assert "\n" not in progress["error"]
    assert not database.exists(), "looking must not make a database"
    assert len(watch.trials) == seen  # what was known is still shown
    (copied.path / "away.db").rename(database)
    assert list(watch.look()) == []
    assert watch.progress(time.time())["state"] == "finished"


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + bytes(2000)])
def test_a_damaged_database_is_one_line(copied: Run, content: bytes) -> None:
    (copied.path / "study.db").write_bytes(content)
    watch = Watch(copied, "searched")
    assert list(watch.look()) == []
    error = watch.progress(time.time())["error"]
    assert error
    assert "\n" not in error
    with pytest.raises(UserError):
        watch.record(0)


def test_a_database_that_a_killed_driver_left_amid_a_write_is_read(copied: Run) -> None:
    expected = whole(copied)["trials"]
    database = copied.path / "study.db"
    writing = sqlite3.connect(database, isolation_level=None)
    writing.execute("PRAGMA cache_size = 1")  # so that pages reach the file before the commit
    writing.execute("BEGIN IMMEDIATE")
    writing.execute("UPDATE trial_user_attributes SET value_json = '{}'")
    journal = copied.path / "study.db-journal"
    assert journal.stat().st_size > 0
    left = {path: path.read_bytes() for path in (database, journal)}
    writing.rollback()
    writing.close()
    for path, content in left.items():
        path.write_bytes(content)
    assert whole(copied)["trials"] == expected


# Progress


def moment(run: Run, pid: int, **more: Any) -> None:
    value = {
        "host": socket.gethostname(), "pid": pid, "written": time.time(), "workers": 2, "done": 0,
        "total": TRIALS, "seconds_left": 61.5, "epochs": 4, "closed": False,
        "running": [{"trial": 0, "key": "abc", "losses": [2.5, 1.25]}],
    }  # fmt: skip
    (run.path / live.FILE).write_text(json.dumps(value | more))


def test_an_empty_run(tmp_path: Path) -> None:
    run = simulated_run(tmp_path, name="empty", trials=5)
    study_of(run)
    document = whole(run)
    assert document["trials"] == []
    progress = document["progress"]
    assert progress["state"] == "empty"
    assert progress["counts"] == {"complete": 0, "pruned": 0, "failed": 0, "running": 0}
    assert (progress["driver"], progress["running"], progress["asked"]) == (None, [], 5)
    assert document["head"]["held_out"] is None


def test_a_run_whose_driver_is_there(tmp_path: Path) -> None:
    run = simulated_run(tmp_path, name="running", trials=5)
    study_of(run).start({}, {}, {})
    moment(run, os.getpid())
    progress = whole(run)["progress"]
    assert progress["state"] == "running"
    assert str(os.getpid()) in progress["driver"]
    assert (progress["workers"], progress["seconds_left"]) == (2, 61.5)
    assert progress["counts"]["running"] == 1
    assert progress["running"] == [{"trial": 0, "epochs": 4, "losses": [2.5, 1.25], "key": "abc"}]


def test_a_run_whose_driver_was_killed(tmp_path: Path) -> None:
    run = simulated_run(tmp_path, name="killed", trials=5)
    study_of(run).start({}, {}, {})
    moment(run, 2**22 + 7)  # beyond the numbers that Linux gives
    progress = whole(run)["progress"]
    assert progress["state"] == "stopped"
    assert (progress["driver"], progress["running"]) == (None, [])
    assert progress["counts"]["running"] == 1  # as the study has it until the run is resumed


def test_a_finished_run(searched: Run) -> None:
    progress = whole(searched)["progress"]
    assert progress["state"] == "finished"
    assert progress["error"] is None
    counts = progress["counts"]
    assert counts["complete"] + counts["failed"] == TRIALS + 1
    assert progress["reading"] == {"done": sum(counts.values()), "total": sum(counts.values())}
    assert progress["reused"] == sum(r.reused_from is not None for r in searched.records())


def test_the_head_learns_how_many_images_judge(tmp_path: Path) -> None:
    run = simulated_run(tmp_path, name="growing", trials=2)
    study_of(run)
    watch = Watch(run, "growing")
    assert list(watch.look()) == []
    before = watch.head
    drive(run, images=44)
    assert sum(map(len, watch.look())) == 2
    assert (before["held_out"], watch.head["held_out"]) == (None, 44)
