import json
import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import latency_model
from benchmarks.latency.kernels import halves, kernels
from benchmarks.latency.plan import LARGE_MB, Cell, Plan, megabytes
from benchmarks.latency.predictors import Said, affine
from benchmarks.latency.scores import Truth, apart, score
from benchmarks.latency.verdicts import Aim
from nas.errors import UserError
from search_spaces.operators import costs, trace_block
from tests.latency.simulated import Simulated


def _simulated(runtime):
    return Simulated().bench()


def _here(work, *given):
    return work(*given)


def _not_again(work, *given):
    raise AssertionError("nothing is missing")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a benchmark of a simulated device, and its plan."""
    out = tmp_path_factory.mktemp("latency")
    plan = latency_model.short(Plan("torch", ("resnet-8", "resnet-16"), make=_simulated))
    plan = replace(plan, samples=9, networks=4, large=(0, 0), apart_s=0.0)
    latency_model.run(plan, out, _here, families=("resnet",))
    return out, plan


@pytest.mark.slow
def test_a_known_law_is_foretold(finished):
    out, _ = finished
    text = (out / "README.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| latency model, all blocks"))
    n, error, within_5 = (float(cell) for cell in row.split("|")[2:5])
    assert (n, within_5) == (8, 100)
    assert error < 2
    assert "not measured" in text  # early exits: theirs is a cell of msd
    assert re.search(r"Spearman at least 0.97 \| .* \| met", text)


@pytest.mark.slow
def test_a_finished_benchmark_only_writes_its_report_again(finished, capsys):
    out, plan = finished
    before = {path: path.stat().st_mtime_ns for path in (out / "units").iterdir()}
    report = (out / "README.md").read_text()
    latency_model.run(plan, out, _not_again, families=("resnet",))
    assert {path: path.stat().st_mtime_ns for path in (out / "units").iterdir()} == before
    assert (out / "README.md").read_text() == report


@pytest.mark.slow
def test_other_settings_are_refused(finished):
    out, plan = finished
    other = replace(plan, networks=5)
    with pytest.raises(UserError, match="made with other settings"):
        latency_model.run(other, out, _not_again, families=("resnet",))


@pytest.mark.slow
def test_every_unit_states_how_the_device_was(finished):
    out, _ = finished
    for path in (out / "units").glob("truth-*.json"):
        facts = json.loads(path.read_text())["facts"]
        assert {"load_before", "load_after", "canary_ms", "restlessness"} <= facts.keys()
        assert facts["conditions"]["runtime"] == "torch"


def test_fresh_networks_are_none_that_the_model_learnt_from():
    plan, cell = Plan("torch", ("resnet-8",), samples=6, networks=6), Cell("resnet", 8)
    learnt, fresh = ({a.key for a, _ in part} for part in (plan.fitted(cell), plan.fresh(cell)))
    assert len(learnt) == len(fresh) == 6
    assert not learnt & fresh
    assert {a.key for a, _ in plan.fresh(cell)} == fresh


def test_large_networks_have_the_weights_that_they_should():
    plan = Plan("torch", (), large=(3, 1))
    found = plan.fitted(Cell("resnet", 32, large=True))
    assert all(LARGE_MB[0] <= megabytes(graph) <= LARGE_MB[1] for _, graph in found)


def test_the_kernels_of_a_network_do_its_work():
    for space in ("msd", "mnasnet"):
        (_, graph), *_ = Plan("torch", (), samples=1).fitted(Cell(space, 32))
        found = sum(trace_block(key.spec, key.shapes).macs for _, key in kernels(graph))
        whole = costs(graph).lazy_macs[-1]
        assert found == pytest.approx(whole, rel=0.02)
        assert len(halves([graph], 0)) < len(set(kernels(graph)))


def test_an_affine_law_is_found():
    terms = np.array([1.0, 2.0, 5.0])
    assert affine(terms, 3 + 2 * terms, np.array([10.0])) == pytest.approx([23])


def test_a_common_shift_is_no_deviation():
    first = np.array([1.0, 2.0, 4.0])
    found = apart([(first, 1.1 * first), (first, 0.8 * first)])
    assert found.shift == pytest.approx(-0.2)
    assert found.p90 == pytest.approx(0, abs=1e-12)


def test_the_canary_brings_what_was_learnt_to_the_speed_of_the_truth():
    truth = Truth(np.array([2.0, 4.0, 6.0]), np.zeros(3), canary_ms=2.0)
    said = Said(np.array([1.0, 2.0, 3.0]), canary_ms=1.0)
    assert score([(said, truth)]).errors.mape == pytest.approx(0.5)
    assert score([(said, truth)], same_speed=True).errors.mape == pytest.approx(0)
    assert not score([(said, truth)]).intervals


@pytest.mark.parametrize(
    ("aim", "verdict"),
    [
        (Aim("", 0.97, least=0.95), "met"),
        (Aim("", 0.93, least=0.95), "missed by 2.00 %"),
        (Aim("", 0.99, least=0.85, most=0.95), "missed by 4.00 %"),
        (Aim("", None, least=0.95), "not measured"),
        (Aim("", 0.5, least=0.95, condition=False), "does not apply"),
        (Aim("", 200.0, most=180.0, unit="s"), "missed by 20 s"),
    ],
)
def test_a_verdict_says_by_how_much(aim, verdict):
    assert aim.verdict() == verdict


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cells", "msd"], "no cell 'msd': give a search space and pixels, such as msd-32"),
        (["--cells", "mds-32"], "did you mean"),
        (["--runtime", "tensor"], "no runtime 'tensor'"),
    ],
)
def test_wrong_use_is_refused_in_a_line(arguments, said, tmp_path, capsys):
    assert latency_model.main([*arguments, "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.slow
def test_the_command_works_on_this_machine(tmp_path, capsys):
    arguments = ["--short", "--cells", "msd-32", "--out", str(tmp_path)]
    assert latency_model.main(arguments) == 0
    assert "| met |" in (tmp_path / "README.md").read_text()
