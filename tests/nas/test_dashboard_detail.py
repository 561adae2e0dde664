"""A trial in full, its config and its pictures, as the dashboard hands them out."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from nas import config
from nas.cli.main import app
from nas.dashboard import configs, detail, pictures
from nas.dashboard.watch import Watch
from nas.errors import UserError
from nas.evaluation.sheet import LIMIT, Picture, sheet
from nas.exits import policy_scores
from nas.exits.leaving import exits_taken
from nas.measurement import HeldOut
from nas.record import TrialRecord
from nas.run import Run
from tests.nas.simulated_search import CLASSES, IMAGE, drive, simulated_run

FAILED = 2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = simulated_run(tmp_path_factory.mktemp("runs"), name="made", trials=8, limit=None)
    drive(made, failing=[FAILED])
    return made


@pytest.fixture(scope="module")
def records(run: Run) -> list[TrialRecord]:
    return run.records()


@pytest.fixture
def record(records: list[TrialRecord]) -> TrialRecord:
    """The trial with the most exits."""
    done = [each for each in records if each.measurement is not None]
    return max(done, key=lambda each: each.measurement.held_out.exits if each.measurement else 0)


# The detail ---------------------------------------------------------------------------------------


def test_a_trial_in_full(run: Run, record: TrialRecord) -> None:
    _, latency = Watch(run, run.name).record(record.trial)
    found = detail.of(run, record, latency, IMAGE, CLASSES)
    json.dumps(found, allow_nan=False)
    measured = record.measurement
    assert measured is not None and record.architecture is not None
    assert found["trial"] == record.trial and found["key"] == record.architecture.key
    assert [each["latency_ms"] for each in found["exits"]] == list(measured.exit_latency_ms)
    assert [each["macs"] for each in found["exits"]] == list(measured.exit_macs)
    assert [each["low_ms"] for each in found["exits"]] == list(measured.exit_latency_ms)
    for k, each in enumerate(found["exits"]):
        assert each["accuracy"] == measured.accuracy_of_exit(k)
    scores = policy_scores(measured)
    assert [each["row"] for each in found["policies"]] == list(range(len(scores)))
    assert [each["thresholds"] for each in found["policies"]] == [
        list(each.policy.thresholds) for each in scores
    ]
    spent = sum(each["latency_ms"] for each in found["operators"])
    assert spent == pytest.approx(measured.exit_latency_ms[-1])
    assert found["weights"] == run.weights_path(record.trial).is_file()


def test_the_operators_of_a_simulated_device_have_the_latency_of_its_law(
    run: Run, record: TrialRecord
) -> None:
    from latency.macs import operator_ms
    from nas.dashboard.operators import shared

    assert record.measurement is not None and record.architecture is not None
    graph = run.space().blocks(record.architecture, IMAGE, CLASSES)
    for each in shared(graph, record.measurement.exit_latency_ms):
        assert each.latency_ms == pytest.approx(operator_ms(each.operator))


def test_a_failed_trial_has_its_network_and_no_figures(
    run: Run, records: list[TrialRecord]
) -> None:
    found = detail.of(run, records[FAILED], None, IMAGE, CLASSES)
    json.dumps(found, allow_nan=False)
    assert found["policies"] == [] and found["graph"]["nodes"]
    assert {each["latency_ms"] for each in found["operators"]} == {None}
    assert {each["accuracy"] for each in found["exits"]} == {None}
    assert sum(each["share"] for each in found["operators"]) == pytest.approx(1)
    assert "No latency is known" in found["shares_from"]


def test_a_trial_of_which_nothing_is_known_is_refused(run: Run) -> None:
    with pytest.raises(UserError, match="trial 9 of run 'made' has no architecture"):
        detail.of(run, TrialRecord(9, "running", None), None, IMAGE, CLASSES)


# The config ---------------------------------------------------------------------------------------


def test_a_config_has_the_policy_that_was_asked_for(
    run: Run, record: TrialRecord, tmp_path: Path
) -> None:
    assert record.measurement is not None and record.architecture is not None
    scores = policy_scores(record.measurement)
    file = tmp_path / "found.yaml"
    for row in (0, len(scores) - 1):
        file.write_text(configs.text(run, record, row), encoding="utf-8")
        loaded = config.load(file)
        assert loaded.exits is not None and loaded.metrics is not None
        assert loaded.exits.thresholds == scores[row].policy.thresholds
        assert loaded.metrics.latency_ms == scores[row].latency_ms
        assert loaded.architecture() == record.architecture
    described = CliRunner().invoke(app, ["describe", str(file), "--json"])
    assert described.exit_code == 0
    assert json.loads(described.stdout)["key"] == record.architecture.key


def test_a_config_without_a_policy_has_the_one_of_the_objective(
    run: Run, record: TrialRecord, tmp_path: Path
) -> None:
    assert record.measurement is not None
    file = tmp_path / "found.yaml"
    file.write_text(configs.text(run, record, None), encoding="utf-8")
    exits = config.load(file).exits
    assert exits is not None
    assert exits.thresholds == run.objective().view(record.measurement).policy.thresholds


@pytest.mark.parametrize("row", [-1, 999])
def test_an_unknown_policy_is_refused(run: Run, record: TrialRecord, row: int) -> None:
    with pytest.raises(UserError, match=f"has no policy {row}; its policies are 0 to"):
        configs.text(run, record, row)


@pytest.mark.parametrize("row", [0, None])
def test_a_trial_that_failed_has_no_config(
    run: Run, records: list[TrialRecord], row: int | None
) -> None:
    with pytest.raises(UserError, match="trial 2 of run 'made' is failed"):
        configs.text(run, records[FAILED], row)


# The pictures -------------------------------------------------------------------------------------


def test_pictures_show_the_images_that_leave(
    run: Run, record: TrialRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nas.data.load import load
    from nas.evaluation import sheet as drawing

    shown: list[list[Picture]] = []

    def spied(found: list[Picture]) -> bytes:
        shown.append(found)
        return sheet(found)

    monkeypatch.setattr(drawing, "sheet", spied)
    assert record.measurement is not None
    held_out = record.measurement.held_out
    dataset = load(run.settings.data_spec())
    scores = policy_scores(record.measurement)
    row = max(range(len(scores)), key=lambda each: min(scores[each].shares))
    taken = exits_taken(scores[row].policy, held_out)
    for exit in range(1, held_out.exits + 1):
        drawn = pictures.leaving(run, record, row, exit)
        assert len(drawn) < LIMIT and Image.open(io.BytesIO(drawn)).format == "PNG"
        leaving = np.flatnonzero(taken == exit - 1)
        assert len(shown[-1]) == min(pictures.MOST, len(leaving))
        for each in shown[-1]:
            same = [i for i in leaving if torch.equal(_image(each), dataset.held_out.images[i])]
            assert any(held_out.exact[i, exit - 1] == each.confidence for i in same)
        confidences = [each.confidence for each in shown[-1]]
        assert confidences == sorted(confidences, reverse=True)


def _image(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture.image)


def test_what_has_no_picture_says_why(
    run: Run, records: list[TrialRecord], record: TrialRecord
) -> None:
    assert record.measurement is not None
    exits = record.measurement.held_out.exits
    scores = policy_scores(record.measurement)
    last = next(row for row, each in enumerate(scores) if each.shares[0] == 1.0)
    with pytest.raises(UserError, match="is failed"):
        pictures.leaving(run, records[FAILED], None, 1)
    with pytest.raises(UserError, match=f"exits 1 to {exits}, no exit {exits + 1}"):
        pictures.leaving(run, record, None, exits + 1)
    with pytest.raises(UserError, match=f"no held-out image leaves trial .* at exit {exits}"):
        pictures.leaving(run, record, last, exits)
    fewer = HeldOut(
        record.measurement.held_out.confidence[:9], record.measurement.held_out.correct[:9]
    )
    other = replace(record, measurement=replace(record.measurement, held_out=fewer))
    with pytest.raises(UserError, match=r"digits has 500 held-out images here, .* judged on 9"):
        pictures.leaving(run, other, None, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_of_noise_stays_small(channels: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, channels, 96, 96), dtype=np.uint8)
    drawn = sheet([Picture(each, "a very long class name", 0.5, False) for each in images])
    assert len(drawn) <= LIMIT
