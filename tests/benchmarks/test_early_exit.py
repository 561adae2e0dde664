import time

import numpy as np
import pytest

from benchmarks import early_exit


@pytest.fixture(scope="module")
def bench(trained_digits):
    return early_exit.opened(str(trained_digits), time.perf_counter)


def test_policies_spend_what_they_are_named_after(bench):
    # With thresholds of the held-out images: the test images of a round spend about as much.
    (found, *_) = early_exit.rounds(bench, 64, 0.0, np.random.default_rng(0))
    assert set(bench.policies) == {"1/2", "1/3"}
    for name, part in early_exit.BUDGETS.items():
        assert found[f"MACs {name}"].sum() == pytest.approx(part, abs=0.12)


@pytest.mark.slow
def test_the_report_has_a_row_for_each_batch_size_and_policy(bench):
    lines = list(early_exit.report(bench, [8, 32], 0.0, "wall"))
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith(("| 8 |", "| 32 |"))]
    assert [row[:2] for row in rows] == [["8", "1/2"], ["8", "1/3"], ["32", "1/2"], ["32", "1/3"]]
    columns = early_exit.COLUMNS.split(", ")
    for row in rows:
        assert len(row) == len(columns)
        facts = dict(zip(columns, row, strict=True))
        assert float(facts["bound of MACs"]) > 1.5
        assert float(facts["rounds"]) >= 3
