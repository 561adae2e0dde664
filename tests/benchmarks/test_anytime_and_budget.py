import json

import pytest

from benchmarks import anytime_and_budget
from benchmarks.comparison import table
from benchmarks.contestants import Training
from benchmarks.judged import Judged
from nas.data.dataset import DataSpec
from nas.training.recipe import Recipe
from tests.nas.made_up import held_out

COSTS = (1e6, 2e6, 4e6, 8e6)


def _judged(name, seed, skill):
    facts = (held_out(400, 4, seed + half, skill) for half in (0, 100))
    return Judged(name, seed, COSTS, tuple(cost / 1e6 for cost in COSTS), *facts)


def test_a_curve_spends_what_the_test_images_spent():
    judged = _judged("one", 0, 0.6)
    for unit, scale in (("MACs", 1e6), ("ms", 1.0)):
        anytime, budget = judged.curves["anytime", unit], judged.curves["budgeted batch", unit]
        assert set(anytime.cost) <= {scale * cost for cost in (1, 2, 4, 8)}
        assert (budget.cost[0], budget.cost[-1]) == (scale, 8 * scale)
        assert len(budget.cost) > 10
        assert budget.accuracy[-1] == pytest.approx(anytime.accuracy[-1], abs=0.03)


@pytest.mark.slow
def test_the_table_says_who_is_ahead_with_its_spread():
    field = anytime_and_budget.Field(
        {
            "good": tuple(_judged("good", seed, 0.65) for seed in range(3)),
            "bad": tuple(_judged("bad", seed, 0.55) for seed in range(3)),
        }
    )
    text = table(field)
    assert text.count("good against bad") == 4
    lead = next(line for line in text.splitlines() if "good against bad | anytime | ms" in line)
    gap = float(lead.split("|")[4].split("±")[0])
    assert 5 < gap < 15


@pytest.mark.slow
def test_the_experiment_stops_and_goes_on(tmp_path, capsys, monkeypatch):
    training = Training(DataSpec("digits", limit=200), Recipe(epochs=1))

    def stop(self, path):
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr("nas.measurement.HeldOut.save", stop)
        with pytest.raises(KeyboardInterrupt):
            anytime_and_budget.run(training, (0,), tmp_path, "9M")
    anytime_and_budget.run(training, (0,), tmp_path, "9M")
    assert "unit 1 of 4: msdnet-seed0" in capsys.readouterr().err
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert set(first) == {"README.md", "curves.svg", "summary.json"}
    assert len(json.loads(first["summary.json"])["curves"]) == 8
    anytime_and_budget.run(training, (0,), tmp_path, "9M")
    assert "4 of 4 units are there" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == first
