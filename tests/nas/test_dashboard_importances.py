"""What mattered in a run."""

import json
from pathlib import Path

import numpy as np
import pytest

from nas import plugins
from nas.dashboard import importances
from nas.dashboard.importances import ranked
from search_spaces.architecture import Option
from tests.nas.simulated_search import drive, simulated_run

TARGETS = ("reward", "accuracy", "latency_ms")


def _drawn(count: int) -> list[dict[str, Option]]:
    rng = np.random.default_rng(0)
    return [plugins.space("msd").sample(rng).decisions() for _ in range(count)]


def test_the_decision_that_alone_mattered_comes_first() -> None:
    networks = _drawn(150)
    reached = [
        {
            "reward": float(each["growth_rate"] == 8) + 1e-3 * number / 150,
            "accuracy": 0.5,
            "latency_ms": 2.0 if each["stem"] == "conv3" else 1.0 + 1e-3 * number / 150,
        }
        for number, each in enumerate(networks)
    ]
    found = ranked(networks, reached, plugins.space("msd").decisions)
    assert found["reward"][0][0] == "growth_rate"
    assert found["latency_ms"][0][0] == "stem"
    assert found["accuracy"] == []
    assert sum(value for _, value in found["reward"]) == pytest.approx(1)
    assert found == ranked(networks, reached, plugins.space("msd").decisions)


def test_a_published_network_counts_with_the_options_that_a_search_tries() -> None:
    msd = plugins.space("msd")
    networks = [msd.published["msdnet-cifar-anytime-12"].decisions(), *_drawn(20)]
    reached = [dict.fromkeys(TARGETS, float(number)) for number in range(21)]
    names = {name for name, _ in ranked(networks, reached, msd.decisions)["reward"]}
    assert names <= {decision.name for decision in msd.decisions}


def test_a_run_and_a_sample_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = simulated_run(tmp_path, name="made", trials=12)
    drive(run, failing=[3], images=60)
    found = importances.of(run)
    json.dumps(found, allow_nan=False)
    assert found["error"] is None and found["of"] == 11
    assert tuple(found["targets"]) == TARGETS
    assert all(len(rows) > 10 for rows in found["targets"].values())
    assert "drawn" not in found["method"]
    monkeypatch.setattr(importances, "MOST", 6)
    some = importances.of(run)
    assert some["of"] == 6 and "6 of 11 trials, drawn at random" in some["method"]
    assert some == importances.of(run)


def test_too_few_trials_are_said_so(tmp_path: Path) -> None:
    run = simulated_run(tmp_path, name="made", trials=4)
    drive(run, failing=[0], images=20)
    found = importances.of(run)
    assert found["error"] == "needs 4 complete trials, the run has 3"
    assert found["targets"] == {target: [] for target in TARGETS}


def test_trials_that_are_all_alike_are_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = simulated_run(tmp_path, name="made", trials=5)
    drive(run, images=20)
    same = dict.fromkeys(TARGETS, 0.5)
    monkeypatch.setattr(importances, "_reached", lambda *given: same)
    assert importances.of(run)["error"] == (
        "all trials reached the same, so nothing tells their decisions apart"
    )
