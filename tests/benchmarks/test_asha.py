"""The comparison of early stopping with whole trainings, on the smallest networks."""

from pathlib import Path

import pytest

from benchmarks import asha
from nas import plugins
from nas.run import open_run
from tests.nas.small_msd import WHERE

ARGUMENTS = [
    "--seeds", "1", "--trials", "3", "--epochs", "3", "--data", "digits", "--limit", "40",
    "--executor", "inline", "--controller", "random", "--max-macs", "1G",
]  # fmt: skip


def test_epochs_and_rewards_are_those_of_the_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)
    assert asha.main([*ARGUMENTS, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    full, early = (open_run(tmp_path / f"units/runs/{name}-0") for name in asha.FIDELITIES)
    assert full.target_ms == early.target_ms
    whole = [r for r in full.records() if r.measurement and r.reused_from is None]
    best = max(full.objective().values(r.measurement)[0] for r in whole if r.measurement)
    assert f"| 0 | {3 * len(whole)} | {best:.4f} | " in said
    spent, found = asha._course(early)[-1]
    curves = {r.trial: r for r in early.records() if r.measurement and r.reused_from is None}
    taken_up = {r.continues for r in curves.values()}
    ends = [r for r in curves.values() if r.trial not in taken_up]
    assert spent == sum(r.measurement.epochs for r in ends if r.measurement)
    assert spent < 3 * len(ends)
    ended = [r.measurement for r in ends if r.state == "complete" and r.measurement]
    assert found == max(early.objective().values(each)[0] for each in ended)
    assert (tmp_path / "README.md").read_text() in said


def test_a_share_counts_what_had_ended_by_then() -> None:
    course = [(1, None), (4, 0.5), (5, 0.5), (9, 0.7)]
    assert [asha._best_within(course, epochs) for epochs in (4, 8, 9, 99)] == [0.5, 0.5, 0.7, 0.7]
    assert asha._best_within(course, 3) != asha._best_within(course, 3)  # NaN
