"""The latency model in a search: loaded or fitted, guarded by measurements, checked at the end."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from latency.bench import LocalBench
from latency.errors import LatencyError
from latency.macs import MacsLatency
from latency.measuring import Measuring
from latency.model import document, extending, fitting, prior
from latency.model.model import LatencyModel, Misses
from latency.runtimes.runtime import Piece
from nas import frame, plugins, results, searches, summary
from nas.cli.main import app
from nas.errors import UserError
from nas.latency import devices, front_latency, search_model
from nas.latency import guarded as guarded_latency
from nas.latency.guarded import Guarded
from nas.run import Run, open_run
from nas.settings import parse
from search_spaces.blocks import BlockGraph
from tests.nas.device_by_law import Lawful, source
from tests.nas.made_up import measurement
from tests.nas.small_msd import SMALL, WHERE
from tests.nas.table_search import Heard
from tests.nas.test_search_whole import QUICK

IMAGE, CLASSES = (1, 8, 8), 10
FAR_MS = 50.0
"""A target that no network is near."""


@pytest.fixture(scope="module", autouse=True)
def no_trees() -> Iterator[None]:
    """Blocks that were not measured are guessed by the law alone, which takes no time to fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prior, "FEWEST_FOR_TREES", 10**9)
        yield


@pytest.fixture(scope="module")
def model(no_trees: None) -> LatencyModel:
    return fitting.fit(source(Lawful()).bench, SMALL, IMAGE, CLASSES).model


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lawful:
    """The device of every search here; models are kept beside the test's own files."""
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(guarded_latency, "WIDE", 10.0)  # the law alone guesses from afar
    runtime = Lawful()
    monkeypatch.setattr(devices, "source", lambda *asked: source(runtime))
    return runtime


def searched(out: Path, heard: Heard | None = None, **options: Any) -> Run:
    given = {**QUICK, "runtime": "lawful", "device": "bench", "controller": "random"}
    given |= {"target_latency": FAR_MS, **options}
    return searches.search("msd", out=str(out), progress=heard, **{"trials": 3, **given})


def how(run: Run) -> set[str]:
    return {str(record.measurement.how) for record in run.records() if record.measurement}


def test_a_file_predicts_every_network_and_the_front_is_measured(
    tmp_path: Path, bench: Lawful, model: LatencyModel
) -> None:
    document.save(model, tmp_path / "model.json")
    run = searched(tmp_path / "out", latency_model=str(tmp_path / "model.json"))
    assert how(run) <= {"table", "extrapolated"}
    assert run.settings.latency_model == str(tmp_path / "model.json")
    assert document.load(run.path / search_model.FILE) == model
    assert run.latency["conditions"]["model"]["n"] == model.errors.n
    front = set(frame.pareto(run.records(), run.objective())["trial"])
    found = front_latency.read(run.path)
    assert found is not None
    assert found.exits_ms.keys() == front
    assert bench.networks == len(front)
    assert bench.campaigns == 1
    error = found.error()
    assert error["n"] == len(front)
    assert error["median"] <= error["worst"] < 0.05
    said = summary.text(run)
    assert "measured ms" in said
    of_front = f"median {error['median']:.1%}, worst {error['worst']:.1%}"
    assert f"Error on the front of what the search went by: {of_front}" in said
    assert "networks" in said
    assert results.status(run)["front_error"] == error
    answer = CliRunner().invoke(app, ["pareto", str(run.path), "--json"])
    for row in json.loads(answer.stdout):
        assert row["measured_ms"] == pytest.approx(row["latency_ms"], rel=0.05)
        # The same sum over exits in another order: equal but for its last bits.
        assert row["estimate_ms"] == pytest.approx(row["latency_ms"], rel=1e-12)
        assert row["low_ms"] <= row["latency_ms"] <= row["high_ms"]


def found(
    runtime: Lawful, image: tuple[int, int, int] = IMAGE, **options: Any
) -> tuple[LatencyModel | None, list[str]]:
    """The model of a search with these options, and what was said."""
    said: list[str] = []
    settings = parse({"space": "msd", **options})
    shape = search_model.Shape(SMALL, image, CLASSES)
    model = search_model.find(settings, source(runtime), shape, said.append, lambda: None)
    return model, said


def test_few_trials_measure_every_network(tmp_path: Path, bench: Lawful) -> None:
    run = searched(tmp_path, trials=2)
    assert how(run) == {"measured"}
    assert not (run.path / search_model.FILE).exists()
    assert front_latency.read(run.path) is None


def test_a_search_of_many_trials_fits_a_model_first(
    tmp_path: Path, bench: Lawful, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(bench, trials=search_model.FIT_FROM, latency_model="none") == (None, [])
    monkeypatch.setattr(search_model, "FIT_FROM", 2)
    heard = Heard()
    run = searched(tmp_path, heard, trials=2)
    assert how(run) <= {"table", "extrapolated"}
    said = "\n".join(heard.lines)
    assert "fitting a latency model of lawful on bench" in said
    assert "off by" in said


def test_a_long_measurement_says_how_much_is_left() -> None:
    said: list[str] = []
    checks: list[None] = []
    now = iter(range(0, 1000, 3))
    steps = search_model.Steps(said.append, lambda: checks.append(None), lambda: next(now))
    for done in range(1, 13):
        steps("rounds", done, 12)
    assert len(checks) == 12
    assert 2 < len(said) < 12
    assert said[0].startswith("rounds ")
    assert said[0].endswith(" s left")
    for done in range(13, 20):
        steps("rounds", done, 12)
    assert said[-1].endswith("/12, until they agree")


def test_a_kept_model_serves_later_searches_of_the_same_kind_alone(
    bench: Lawful, model: LatencyModel
) -> None:
    fitted, _ = found(bench, trials=search_model.FIT_FROM)
    assert fitted is not None
    (kept,) = search_model.cache().glob("*.json")
    campaigns = bench.campaigns
    later, said = found(bench, trials=2)
    assert later == fitted
    assert "of an earlier search" in said[0]
    assert found(bench, image=(1, 9, 9), trials=2) == (None, [])
    bench.device = "another"
    assert found(bench, trials=2) == (None, [])
    bench.device = "bench"
    kept.write_text("{}")
    none, said = found(bench, trials=2)
    assert none is None
    assert "cannot be used" in said[0]
    assert bench.campaigns == campaigns


def test_the_target_comes_from_the_model(
    tmp_path: Path, bench: Lawful, model: LatencyModel
) -> None:
    exact = replace(model, misses=Misses(0.0, 0.0, 0.0))
    document.save(exact, tmp_path / "model.json")
    asked = str(tmp_path / "model.json")
    searched(tmp_path / "out", trials=1, target_latency=None, latency_model=asked)
    assert bench.networks == 1  # the front


def test_a_file_of_another_device_is_refused_and_of_another_space_named(
    tmp_path: Path, bench: Lawful, model: LatencyModel
) -> None:
    path = tmp_path / "model.json"
    document.save(model, path)
    _, said = found(bench, image=(1, 9, 9), latency_model=str(path))
    assert "fitted on msd, 1x8x8 and 10 classes, this search is of msd, 1x9x9" in said[0]
    bench.device = "phone"
    with pytest.raises(LatencyError, match="of another device: device was bench, is phone") as one:
        searched(tmp_path / "out", latency_model=str(path))
    assert "\n" not in str(one.value)
    with pytest.raises(LatencyError, match=r"gone\.json: no such file"):
        searched(tmp_path / "out", latency_model=str(tmp_path / "gone.json"))
    assert not (tmp_path / "out").exists()


def test_a_simulated_runtime_has_no_model() -> None:
    shape, simulated = search_model.Shape(SMALL, IMAGE, CLASSES), MacsLatency()
    asked = parse({"trials": search_model.FIT_FROM})
    assert search_model.find(asked, simulated, shape, print, lambda: None) is None
    asked = parse({"latency_model": "model.json"})
    with pytest.raises(UserError, match="nothing is measured block by block"):
        search_model.find(asked, simulated, shape, print, lambda: None)


def test_a_resumed_search_goes_on_with_its_copy(
    tmp_path: Path, bench: Lawful, model: LatencyModel
) -> None:
    path = tmp_path / "model.json"
    document.save(model, path)
    run = searched(tmp_path / "out", trials=2, latency_model=str(path))
    path.unlink()
    before = front_latency.read(run.path)
    searches.resume(run)
    assert front_latency.read(run.path) == before
    (run.path / front_latency.FILE).unlink()
    searches.resume(run, "+1")  # also measures the front that was not
    assert front_latency.read(run.path) is not None
    networks, heard = bench.networks, Heard()
    bench.device = "phone"
    further = searches.resume(run, "+2", progress=heard)
    assert how(further) <= {"table", "extrapolated"}
    assert bench.networks == networks
    assert any("device was bench, is phone" in line for line in heard.lines)


def test_a_front_that_cannot_be_measured_spoils_no_search(
    tmp_path: Path, bench: Lawful, model: LatencyModel
) -> None:
    document.save(model, tmp_path / "model.json")
    bench.lasts, heard = 0, Heard()
    run = searched(tmp_path / "out", heard, latency_model=str(tmp_path / "model.json"))
    assert any("the front is not measured: DeviceLost" in line for line in heard.lines)
    assert "nas resume does it" in summary.text(run)
    bench.lasts = 10**9
    searches.resume(run)
    assert "Error on the front" in summary.text(run)
    (run.path / front_latency.FILE).write_text("{}")
    with pytest.raises(UserError, match=r"front\.json is damaged"):
        summary.text(run)


NOT_MEASURED = "not measured, the latency model's estimate is taken"
SURE, UNSURE = 0.01, 0.3
"""Half-widths of intervals: the second is too wide to rest on where blocks are guessed."""


def fresh(count: int) -> list[BlockGraph]:
    """Networks for another image than the model was fitted on: it knows none of their blocks."""
    rng = np.random.default_rng(3)
    return [SMALL.blocks(SMALL.sample(rng), (1, 12, 12), CLASSES) for _ in range(count)]


def guarded(
    model: LatencyModel, runtime: Lawful, miss: float, target_ms: float | None
) -> tuple[Guarded, list[str]]:
    """A model whose estimates are off by so much, on this device, and what it says."""
    lines: list[str] = []
    missing = replace(model, misses=Misses(miss, miss, miss))
    return Guarded(missing, LocalBench(runtime), target_ms, lines.append), lines


@pytest.mark.parametrize(
    ("known", "miss", "target", "measures"),
    [
        (True, SURE, 2.0, False),
        (True, UNSURE, 1.2, True),  # the target is within the interval of the last exit
        (True, UNSURE, 2.0, False),  # wide, but nothing is guessed
        (False, SURE, 2.0, False),
        (False, UNSURE, 2.0, True),
        (False, UNSURE, None, True),
    ],
)
def test_what_is_in_doubt_is_measured(
    model: LatencyModel, known: bool, miss: float, target: float | None, measures: bool
) -> None:
    runtime, graphs = Lawful(), fresh(2)
    model = extending.extend(model, LocalBench(Lawful()), graphs) if known else model
    for graph in graphs:
        last = model.estimate(graph)[-1].latency_ms
        found, _ = guarded(model, runtime, miss, target and target * last)
        said = found.estimate(graph)[-1].how
        assert said == ("measured" if measures else "table" if known else "extrapolated")
    assert runtime.networks == (2 if measures else 0)


def test_an_early_exit_in_doubt_is_measured(model: LatencyModel) -> None:
    graph = next(each for each in fresh(20) if len(each.exits) > 1)
    first = model.estimate(graph)[0].latency_ms
    found, _ = guarded(model, Lawful(), SURE, first)
    assert found.estimate(graph)[0].how == "measured"


def test_blocks_of_what_is_measured_are_known_from_then_on(model: LatencyModel) -> None:
    runtime, (graph,), kept = Lawful(), fresh(1), list[LatencyModel]()
    found, _ = guarded(model, runtime, UNSURE, None)
    found.keep = kept.append
    assert found.model.missing([graph])
    assert found.estimate(graph)[-1].how == "measured"
    assert not found.model.missing([graph])
    assert kept == [found.model]
    assert found.estimate(graph)[-1].how == "table"
    assert runtime.campaigns == 1
    law = [each.latency_ms for each in Measuring(LocalBench(Lawful())).estimate(graph)]
    assert [each.latency_ms for each in found.estimate(graph)] == pytest.approx(law, rel=0.02)


def test_a_device_that_dies_is_told_once_and_the_model_goes_on(model: LatencyModel) -> None:
    runtime, (one, other) = Lawful(), fresh(2)
    found, lines = guarded(model, runtime, UNSURE, None)
    assert found.estimate(one)[-1].how == "measured"
    runtime.lasts = 0
    assert [found.estimate(other)[-1].how for _ in range(3)] == ["extrapolated"] * 3
    assert len(lines) == 1
    assert lines[0].startswith("device 'bench': the cable was pulled; from here on")
    assert found.bench is None


def test_a_network_that_cannot_be_measured_keeps_its_estimate(
    model: LatencyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any) -> None:
        raise LatencyError("its answers are not finite")

    found, lines = guarded(model, Lawful(), UNSURE, None)
    monkeypatch.setattr(Lawful, "prepare", refuse)
    assert found.estimate(*fresh(1))[-1].how == "extrapolated"
    assert lines == [f"{NOT_MEASURED}: LatencyError: its answers are not finite"]
    assert found.bench is not None


def test_one_network_that_cannot_be_measured_spoils_no_other(
    model: LatencyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = fresh(2)
    spoiled = Piece.network(other).stages

    def prepare(self: Lawful, piece: Piece, seed: int) -> Any:
        if piece.stages == spoiled:
            raise RuntimeError("out of memory\nand more")
        return prepared(self, piece, seed)

    prepared = Lawful.prepare
    monkeypatch.setattr(Lawful, "prepare", prepare)
    found, lines = guarded(model, Lawful(), UNSURE, None)
    hows = [each[-1].how for each in found.estimate_many([one, other])]
    assert hows == ["measured", "extrapolated"]
    assert lines == [f"{NOT_MEASURED}: RuntimeError: out of memory"]


def test_a_larger_model_that_cannot_be_kept_is_said(model: LatencyModel) -> None:
    def full(larger: LatencyModel) -> None:
        raise OSError(28, "No space left on device")

    found, lines = guarded(model, Lawful(), UNSURE, None)
    found.keep = full
    assert found.estimate(*fresh(1))[-1].how == "measured"
    assert lines == ["the larger latency model is not kept: No space left on device"]


def test_the_risk_weighs_the_upper_end(tmp_path: Path, bench: Lawful, model: LatencyModel) -> None:
    wide = replace(model, misses=Misses(0.3, 0.3, 0.3))
    document.save(wide, tmp_path / "model.json")
    options = {"latency_model": str(tmp_path / "model.json"), "trials": 2}
    mean = searched(tmp_path / "mean", **options)
    upper = searched(tmp_path / "upper", risk="upper", **options)
    assert open_run(upper.path).settings.risk == "upper"
    one, other = (frame.trials(run.records(), run.objective()) for run in (mean, upper))
    np.testing.assert_allclose(other["latency_ms"], other["high_ms"], rtol=1e-12)
    np.testing.assert_allclose(one["latency_ms"], one["estimate_ms"], rtol=1e-12)
    assert (other["reward"] < one["reward"]).all()
    rescored = results.rescored(mean.objective(), None, None, False, "upper")
    again = frame.trials(mean.records(), rescored)
    assert again["reward"].tolist() == pytest.approx(other["reward"].tolist())
    assert "upper end of its interval" in summary.text(upper)
    answer = CliRunner().invoke(app, ["pareto", str(mean.path), "--risk", "upper", "--json"])
    for row in json.loads(answer.stdout):
        assert row["latency_ms"] == pytest.approx(row["high_ms"], rel=1e-12)


def test_what_was_recorded_without_an_interval_weighs_the_latency_itself() -> None:
    plain = measurement()
    assert plain.at("upper") is plain
    bounded = replace(plain, exit_low_ms=(0.5, 1, 2, 3), exit_high_ms=(2, 3, 4, 5), how="table")
    assert bounded.at("mean") is bounded
    assert bounded.at("upper").exit_latency_ms == (2, 3, 4, 5)
    back = type(plain).from_facts(json.loads(json.dumps(bounded.facts())), plain.held_out)
    assert back.facts() == bounded.facts()
    with pytest.raises(ValueError, match="bounds for 4 exits"):
        replace(plain, exit_high_ms=(1.0,))


def test_a_search_that_measures_says_how_far_it_is_and_hears_that_it_is_to_stop(
    tmp_path: Path, bench: Lawful, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nas.interruption import Stopped

    told: list[str] = []

    def step(self: Any, what: str, done: int, of: int) -> None:
        told.append(what)
        if told.count("rounds") == 30:
            raise Stopped

    monkeypatch.setattr(search_model.Steps, "__call__", step)
    run = searched(tmp_path / "out", latency_model="none", trials=100)
    assert 0 < len([each for each in run.records() if each.state == "complete"]) < 100


@pytest.mark.parametrize("fact", ["cpu", "kernel"])
def test_another_device_on_resume_is_said_once(tmp_path: Path, bench: Lawful, fact: str) -> None:
    heard = Heard()
    run = searched(tmp_path / "out", latency_model="none", trials=1)
    searches.resume(run.path, 2, progress=heard)
    assert not [line for line in heard.lines if "warning" in line]
    run.latency["conditions"]["host"][fact] = "Abacus 3000"
    (run.path / "latency.json").write_text(json.dumps(run.latency))
    searches.resume(run.path, 3, progress=heard)
    (line,) = [line for line in heard.lines if "warning" in line]
    assert f"host {fact} was Abacus 3000, is " in line


def test_a_search_stopped_while_it_fits_leaves_nothing(
    tmp_path: Path, bench: Lawful, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nas.interruption import Stopped

    monkeypatch.setattr(search_model, "FIT_FROM", 1)

    def stop(*step: Any) -> None:
        raise Stopped

    monkeypatch.setattr(search_model.Steps, "__call__", stop)
    with pytest.raises(searches.Interrupted, match="nothing was written yet"):
        searched(tmp_path / "out")
    assert not (tmp_path / "out").exists()
