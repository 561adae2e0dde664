import json
import math

import numpy as np
import pandas as pd
import pytest

from nas.exits import best_policy, cheapest_policy, policy_scores
from nas.frame import COLUMNS, FRONT_COLUMNS, hypervolume, pareto, rows, tied, trials
from nas.objective import Objective
from nas.record import TrialRecord
from nas.rewards import Reward
from tests.nas.made_up import architecture, measurement

REWARD = Reward.soft(2.0)
BY_REWARD = Objective.parse("reward", REWARD)
BY_FRONT = Objective.parse("pareto")
PROMISED = (
    "trial,state,key,architecture,accuracy,latency_ms,reward,macs,parameters,epochs,seconds,error,"
)


def _records():
    """Five trials: slow and good, fast and poor, the first again, one failed, one at work."""
    slow = measurement(seed=1, slowness=3.0, skill=0.65, parameters=9000)
    fast = measurement(seed=2, slowness=0.4, skill=0.4, parameters=500)
    return [
        TrialRecord(0, "complete", architecture("slow"), slow),
        TrialRecord(1, "complete", architecture("fast"), fast),
        TrialRecord(2, "complete", architecture("slow"), slow, reused_from=0),
        TrialRecord(3, "failed", architecture("bad"), error="the loss became nan"),
        TrialRecord(4, "running", architecture("next")),
    ]


def test_a_row_holds_the_facts_under_the_objectives_policy():
    records = _records()
    table = trials(records, BY_REWARD)
    seen = best_policy(records[0].measurement, REWARD)
    first = table.iloc[0]
    assert first["accuracy"] == seen.accuracy
    assert first["latency_ms"] == seen.latency_ms
    assert first["reward"] == REWARD(seen.accuracy, seen.latency_ms)
    assert first["standard_error"] == seen.standard_error
    assert (first["macs"], first["parameters"], first["epochs"]) == (4_000_000, 9000, 3)
    assert (first["seconds"], first["key"], first["state"]) == (12.5, "slow", "complete")
    assert first["p95_ms"] <= first["worst_ms"]
    assert first["expected_macs"] < first["macs"]


def test_pareto_mode_shows_the_cheapest_policy_and_no_reward_without_a_target():
    records = _records()
    table = trials(records, BY_FRONT)
    assert table["latency_ms"][0] == cheapest_policy(records[0].measurement).latency_ms
    assert table["reward"].isna().all()
    assert trials(records, Objective.parse("pareto", REWARD))["reward"].notna().sum() == 3


def test_another_target_scores_the_same_facts_anew():
    records = _records()
    hurried = Objective.parse("reward", Reward.soft(0.5, -1.0))
    before, after = trials(records, BY_REWARD), trials(records, hurried)
    assert after["latency_ms"][0] < before["latency_ms"][0]
    assert list(after["macs"].dropna()) == list(before["macs"].dropna())


@pytest.mark.parametrize("records", [[], _records()[:1], _records()[3:], _records()])
def test_columns_and_types_never_depend_on_the_rows(records):
    for table, columns in (
        (trials(records, BY_REWARD), COLUMNS),
        (pareto(records, BY_REWARD), FRONT_COLUMNS),
    ):
        assert list(table.columns) == list(columns)
        assert {name: str(dtype) for name, dtype in table.dtypes.items()} == columns
        assert rows(table) == json.loads(json.dumps(rows(table), allow_nan=False))
    assert ",".join(COLUMNS).startswith(PROMISED)


def test_json_rows_have_null_for_what_is_not_known():
    listed = rows(trials(_records(), BY_REWARD))
    assert [row["state"] for row in listed] == ["complete"] * 3 + ["failed", "running"]
    failed = listed[3]
    assert failed["error"] == "the loss became nan"
    assert {
        name: failed[name] for name in ("accuracy", "latency_ms", "reward", "macs", "seconds")
    } == dict.fromkeys(("accuracy", "latency_ms", "reward", "macs", "seconds"))
    assert failed["architecture"] == architecture("bad").to_json()
    assert listed[0]["error"] is None
    assert listed[0]["reused_from"] is None
    assert listed[2]["reused_from"] == 0
    assert type(listed[0]["trial"]) is int
    assert type(listed[0]["macs"]) is int


def test_infinity_is_null_too():
    table = pd.DataFrame({"reward": [1.0, math.inf, -math.inf, math.nan]})
    assert [row["reward"] for row in rows(table)] == [1.0, None, None, None]


def test_the_front_is_over_trial_and_policy_with_the_slowest_last():
    records = _records()
    front = pareto(records, BY_REWARD)
    assert set(front["trial"]) == {0, 1}  # trial 2 repeats the points of trial 0
    assert front["latency_ms"].is_monotonic_increasing
    assert front["accuracy"].is_monotonic_increasing  # two facts: slower only if more accurate
    every = [(s.accuracy, s.latency_ms) for r in records[:2] for s in policy_scores(r.measurement)]
    for accuracy, latency in zip(front["accuracy"], front["latency_ms"], strict=True):
        assert not any(
            a >= accuracy and ms <= latency and (a, ms) != (accuracy, latency) for a, ms in every
        )


def test_every_row_of_the_front_has_its_policy():
    records = _records()
    for row in rows(pareto(records, BY_REWARD)):
        policy = row["policy"]
        known = policy_scores(records[row["trial"]].measurement)
        (match,) = [s for s in known if list(s.policy.thresholds) == policy["thresholds"]]
        assert match.policy.found == policy["found"]
        assert list(match.shares) == policy["shares"]
        assert row["latency_ms"] == match.latency_ms
        assert set(row) == set(FRONT_COLUMNS)


def test_three_facts_keep_a_small_network_on_the_front():
    records = [
        TrialRecord(0, "complete", architecture("a"), measurement(seed=1, parameters=9000)),
        TrialRecord(
            1, "complete", architecture("b"), measurement(seed=1, slowness=2.0, parameters=10)
        ),
    ]
    assert set(pareto(records, BY_FRONT)["trial"]) == {0}
    three = Objective.parse("pareto:accuracy,latency_ms,parameters")
    assert set(pareto(records, three)["trial"]) == {0, 1}


def test_ties_are_what_the_standard_error_cannot_tell_apart():
    scores = policy_scores(measurement(images=500, seed=3))
    near = tied(scores)
    for i, one in enumerate(scores):
        assert i not in near[i]
        for j, other in enumerate(scores):
            spread = math.sqrt(one.standard_error**2 + other.standard_error**2)
            close = abs(one.accuracy - other.accuracy) <= 1.96 * spread
            assert (j in near[i]) == (close and i != j) == (i in near[j])
    assert any(near)
    assert any(len(others) < len(scores) - 1 for others in near)


def test_more_images_tell_more_apart():
    few, many = (
        rows(pareto([TrialRecord(0, "complete", architecture(), facts)], BY_REWARD))
        for facts in (measurement(images=100), measurement(images=5000))
    )
    shares = [
        np.mean([len(row["tied_with"]) / len(listed) for row in listed]) for listed in (few, many)
    ]
    assert shares[0] > 2 * shares[1] > 0


def test_hypervolume_is_that_of_the_front_and_grows_with_trials():
    records = _records()
    volumes = [hypervolume(records[:n], BY_REWARD) for n in range(len(records) + 1)]
    assert volumes[0] == 0.0 < volumes[1] < volumes[2] == volumes[3] == volumes[4] == volumes[5]
    front = pareto(records, BY_REWARD)
    area, beyond = 0.0, 1.1 * 12.0  # the slowest network's last exit takes 3.0 x 4 ms
    for accuracy, latency in zip(front["accuracy"][::-1], front["latency_ms"][::-1], strict=True):
        area, beyond = area + (beyond - latency) * accuracy, latency
    assert volumes[-1] == pytest.approx(area)


def test_the_table_goes_to_csv_and_back(tmp_path):
    table = trials(_records(), BY_REWARD)
    table.to_csv(tmp_path / "trials.csv", index=False)
    back = pd.read_csv(tmp_path / "trials.csv", dtype=COLUMNS)
    pd.testing.assert_frame_equal(back, table)
