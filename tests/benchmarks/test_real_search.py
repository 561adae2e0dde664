"""The comparison of controllers with real training, on the smallest networks and few images."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import real_search
from controllers.record import TOLD
from nas import plugins, store
from nas.run import open_run
from tests.nas.small_msd import WHERE

ARGUMENTS = [
    "--controllers", "random,surrogate", "--seeds", "2", "--trials", "3", "--data", "digits",
    "--limit", "40", "--executor", "inline",
]  # fmt: skip


def test_searches_share_a_target_and_are_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)
    assert real_search.main([*ARGUMENTS, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    runs = [open_run(path.parent) for path in sorted(tmp_path.glob("**/search.yaml"))]
    assert len(runs) == 4
    assert len({run.target_ms for run in runs}) == 1
    best = [max(run.objective().values(r.measurement)[0] for r in run.records() if r.measurement)
            for run in runs if run.settings.controller == "random"]  # fmt: skip
    assert f"| random | {sum(best) / 2:.4f} ±" in said
    assert (tmp_path / "README.md").read_text() in said
    assert real_search.main([*ARGUMENTS, "--out", str(tmp_path)]) == 0  # nothing is left to do
    assert capsys.readouterr().out == said


def test_rewards_are_in_the_order_they_were_told_whatever_the_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)
    alone = ["--controllers", "random", "--seeds", "1", "--trials", "4", *ARGUMENTS[6:]]
    assert real_search.main([*alone, "--out", str(tmp_path)]) == 0
    run = open_run(next(tmp_path.glob("**/search.yaml")).parent)
    there = store.read(run.storage_url, run.name)
    for row in there:  # as of workers of which the first to begin was the last to end
        row.system_attrs = {**row.system_attrs, TOLD: len(there) - row.number}
    monkeypatch.setattr(store, "read", lambda url, name: there)
    own = [run.objective().values(r.measurement)[0] for r in run.records()
           if r.measurement is not None and r.reused_from is None]  # fmt: skip
    assert len(set(own)) > 1
    assert real_search._rewards(run) == list(np.maximum.accumulate(own[::-1]))


def test_an_unknown_controller_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert real_search.main(["--controllers", "tp"]) == 2
    assert capsys.readouterr().err == "error: no controller 'tp'\n"
