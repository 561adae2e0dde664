import numpy as np
import pytest

from benchmarks import pricing
from nas import plugins


def test_the_report_has_a_row_for_each_space():
    title, heads, *rows = pricing.report(["msd"], networks=3, rounds=1)
    assert "architectures a second" in title
    assert heads.split() == ["space", "blocks", "estimate", "both", "costs"]
    (row,) = (row.replace("(", " ").replace(")", " ").split() for row in rows)
    assert row[0] == "msd"
    assert all(float(figure) > 0 for figure in row[1:])
    assert float(row[-1]) == 1.0  # costs, as a multiple of itself


def test_the_model_has_measured_and_guessed_blocks():
    space, rng = plugins.space("msd"), np.random.default_rng(0)
    graphs = [space.blocks(space.sample(rng), pricing.IMAGE, pricing.CLASSES) for _ in range(2)]
    model = pricing.model_of(graphs, "msd")
    hows = {share.how for graph in graphs for share in model.explain(graph)}
    assert hows == {"table", "extrapolated"}
    for graph in graphs:
        parts = sum(share.ms for share in model.explain(graph))
        assert parts == pytest.approx(model.estimate(graph)[-1].latency_ms)
