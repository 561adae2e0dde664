"""The benchmark of the page, in short form."""

from pathlib import Path

import pytest

from benchmarks import dashboard
from tests.browser.simulated import simulated


@pytest.mark.slow
def test_it_measures_all_that_it_claims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = simulated(tmp_path, "sixty", 60)
    found = dashboard.main(["--run", str(run.path), "--times", "1"])
    assert set(found) == set(dashboard.LIMITS)
    assert all(value > 0 for value in found.values())
    printed = capsys.readouterr().out
    assert [line.count("limit") for line in printed.splitlines()] == [1] * len(dashboard.LIMITS)
