"""The times of proposals: that they are taken, on a space and on a table."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import asks
from benchmarks.asks import asked
from tests.benchmarks.test_controllers import ACCURACY, LATENCY, ROWS

FEW = ["--controllers", "random,evolution", "--told", "6", "--asks", "3"]


def test_every_controller_has_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "table.npz", ops=ROWS, test=ACCURACY, ms=LATENCY)
    table = ["--table", str(tmp_path / "table.npz"), "--observe", "test", "--latency", "ms"]
    for more in (["--space", "ensemble"], table):
        assert asks.main([*FEW, *more]) == 0
        said = capsys.readouterr().out
        assert said.count("| random | ") == said.count("| evolution | ") == 1


def test_the_first_proposal_is_apart() -> None:
    first, ms = asked(asks._of_space("ensemble", 0), "evolution", told=5, asks=4, seed=0)
    assert first > 0
    assert len(ms) == 4
    assert min(ms) > 0


def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert asks.main(["--space", "mds"]) == 2
    assert "unknown search space 'mds', did you mean 'msd'?" in capsys.readouterr().err
