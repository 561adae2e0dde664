"""The simulation of many workers: the laws that any queue with one server obeys."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import scaling
from benchmarks.scaling import Costs, simulated


def costs(ask_s: float, tell_s: float) -> Costs:
    return Costs(np.full(10, ask_s), np.full(10, tell_s))


def test_workers_of_an_idle_driver_are_always_busy() -> None:
    found = simulated(costs(0.0, 0.0), 8, train_s=60, hand_over_s=0.0, trials=2000, seed=0)
    assert found.busy == pytest.approx(1.0, abs=0.02)
    assert found.trials_an_hour == pytest.approx(8 * 60, rel=0.03)
    assert found.driver == 0.0


@pytest.mark.parametrize("workers", [200, 1000])
def test_a_driver_never_does_more_than_it_can(workers: int) -> None:
    found = simulated(costs(0.06, 0.03), workers, 10.0, 0.01, trials=20_000, seed=0)
    assert found.trials_an_hour == pytest.approx(3600 / 0.1, rel=0.05)
    assert found.driver == pytest.approx(1.0, abs=0.05)
    assert found.busy < 10.0 / (0.1 * workers) + 0.05


def test_a_proposal_knows_less_the_more_workers_there_are() -> None:
    stale = [
        simulated(costs(0.001, 0.001), workers, 60.0, 0.0, trials=600, seed=0).staleness
        for workers in (1, 8, 64)
    ]
    assert stale[0] == 0.0
    assert stale[1] == pytest.approx(7, abs=0.5)
    assert stale[2] == pytest.approx(63, rel=0.1)


def test_dearer_proposals_of_later_trials_count() -> None:
    rising = Costs(np.concatenate([np.zeros(100), np.full(100, 1.0)]), np.zeros(200))
    found = simulated(rising, 100, train_s=10.0, hand_over_s=0.0, trials=300, seed=0)
    assert 200 <= 3600 * 300 / found.trials_an_hour < 240


def test_it_measures_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scaling.md"
    few = ["--space", "ensemble", "--controllers", "random,evolution", "--trials", "6"]
    assert scaling.main([*few, "--workers", "1,4", "--train-s", "10", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert out.read_text() in said
    assert said.count("| random | ") == said.count("| evolution | ") == 2


def test_an_unknown_controller_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert scaling.main(["--controllers", "tp", "--workers", "1"]) == 2
    assert "unknown controller 'tp', did you mean 'tpe'?" in capsys.readouterr().err
