"""The commands that show and export a run, on a real search over the smallest networks."""

import json
import shutil
import time
from collections.abc import ItemsView, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from optuna.samplers import RandomSampler

import nas
from nas import live, plugins, searches
from nas.cli.main import main
from nas.config import load
from nas.errors import UserError
from nas.settings import SearchSettings
from nas.store import Store
from tests.nas import small_msd
from tests.nas.table_search import made_run

SEARCH = (
    "search --space msd --runtime macs --executor inline --limit 40 --epochs 1 --image 8 "
    "--controller random --seed 1"
).split()
ROW = (
    "trial,state,key,architecture,accuracy,latency_ms,reward,macs,parameters,epochs,seconds,error"
).split(",")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A folder with one run, named small, of four trials."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", small_msd.WHERE)
        assert main([*SEARCH, "--trials", "4", "--name", "small", "--out", str(folder)]) == 0
        yield str(folder)


@pytest.fixture
def told(out: str, capsys: pytest.CaptureFixture[str]) -> "Told":
    return Told(out, capsys)


class Told:
    """Runs a command on the folder of runs and gives back what it printed."""

    def __init__(self, out: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.out, self._capsys = out, capsys

    def code(self, *arguments: str) -> int:
        self._capsys.readouterr()
        return main([*arguments, "--out", self.out])

    def err(self) -> str:
        return self._capsys.readouterr().err

    def text(self, *arguments: str) -> str:
        assert self.code(*arguments) == 0
        return self._capsys.readouterr().out

    def json(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments, "--json"))

    def refusal(self, *arguments: str) -> str:
        assert self.code(*arguments) == 2
        return self.err()


def test_runs_lists_every_run_with_its_status(told: Told) -> None:
    (found,) = told.json("runs")
    assert found == told.json("status", "small") | {"error": None}
    assert "small" in told.text("runs")
    assert "error" not in told.text("runs")


def test_a_damaged_run_does_not_hide_the_others(told: Told) -> None:
    whole = Path(told.out) / "small"
    renamed, damaged = Path(told.out) / "renamed", Path(told.out) / "damaged"
    for copy in (renamed, damaged):
        shutil.copytree(whole, copy)
    (damaged / "latency.json").unlink()
    try:
        found = {state["run"]: state for state in told.json("runs")}
        text = told.text("runs")
    finally:
        for copy in (renamed, damaged):
            shutil.rmtree(copy)
    assert found["small"]["error"] is None
    assert found["small"]["trials"]["complete"] == 4
    assert set(found["damaged"]) == {"run", "error"}
    assert "latency.json" in found["damaged"]["error"]
    assert found["damaged"]["error"] in text
    assert "no study 'renamed'" in found["renamed"]["error"]
    assert "small" in text


def test_status_has_the_promised_shape(told: Told) -> None:
    found = told.json("status", "small")
    promised = "run,space,controller,objective,target_ms,w,trials,reused,best,hypervolume".split(
        ","
    )
    assert set(promised) <= set(found)
    assert (found["run"], found["space"], found["controller"]) == ("small", "msd", "random")
    assert found["state"] == "finished"
    assert found["trials"] == {"complete": 4, "pruned": 0, "failed": 0, "running": 0}
    assert (found["objective"], found["w"]) == ("reward", -0.07)
    assert found["target_ms"] > 0
    assert found["hypervolume"] > 0
    assert found["best"]["reward"] == max(row["reward"] for row in told.json("trials", "small"))


@pytest.mark.parametrize(
    ("ends", "state", "trials"),
    [
        ("stopped", "stopped", "0 complete, 0 pruned, 0 failed, 1 left unfinished"),
        ("at work", "running", "0 complete, 0 pruned, 0 failed, 1 running"),
    ],
)
def test_what_a_driver_left_is_not_called_running(
    ends: str, state: str, trials: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made_run(tmp_path, name="begun", trials=2)
    store = Store(run.storage_url, run.name, run.objective().directions)
    store.ask(RandomSampler(seed=0), run.space().distributions())
    store.close()
    writer = live.Writer(run.path, time.monotonic)
    writer.say(
        workers=1,
        done=0,
        total=2,
        seconds_left=None,
        epochs=1,
        running=(),
        closed=ends == "stopped",
    )
    told = Told(str(tmp_path), capsys)
    shown = told.text("status", "begun")
    assert shown.startswith(f"begun, {state}\n")
    assert f"trials: {trials};" in shown
    assert "no trial is complete yet" in told.text("pareto", "begun")


def test_trials_have_the_promised_columns_and_are_those_of_python(told: Told) -> None:
    rows = told.json("trials", "small")
    assert [row["trial"] for row in rows] == [0, 1, 2, 3]
    assert all(list(row)[: len(ROW)] == ROW for row in rows)
    frame = nas.trials(nas.open_run(Path(told.out) / "small"))
    assert isinstance(frame, pd.DataFrame)
    assert frame["reward"].tolist() == [row["reward"] for row in rows]
    assert all(row["key"] in told.text("trials", "small") for row in rows)


def test_the_front_is_slowest_last_and_scored_anew_without_training(told: Told) -> None:
    rows = told.json("pareto", "small")
    assert rows == sorted(rows, key=lambda row: row["latency_ms"])
    assert [row["accuracy"] for row in rows] == sorted(row["accuracy"] for row in rows)
    assert all(set(ROW) < set(row) for row in rows)
    assert all(row["policy"]["thresholds"][-1] == 0.0 for row in rows)
    hard = told.json("pareto", "small", "--target-latency", "800us", "--hard")
    assert [row["latency_ms"] for row in hard] == [row["latency_ms"] for row in rows]
    for row in hard:
        limited = min(1.0, 0.8 / row["latency_ms"])
        assert row["reward"] == pytest.approx(row["accuracy"] * limited)
    soft = told.json("pareto", "small", "--w", "0")
    assert [row["reward"] for row in soft] == [row["accuracy"] for row in rows]
    assert "best reward at T = " in told.text("pareto", "small")


def test_a_reward_cannot_be_soft_and_hard(told: Told) -> None:
    assert "exclude each other" in told.refusal("pareto", "small", "--w", "-1", "--hard")
    assert "0.5" in told.refusal("pareto", "small", "--w", "0.5")


def test_an_export_describes_itself_as_the_trial(told: Told, tmp_path: Path) -> None:
    best = told.json("status", "small")["best"]
    path = tmp_path / "best.yaml"
    assert told.text("export", "small", "-o", str(path)).strip() == str(path)
    described = told.json("describe", str(path))
    assert described == told.json("describe", f"small:{best['trial']}")
    assert described["key"] == best["key"]
    assert described["parameters"] == best["parameters"]
    assert described["exits"][-1]["lazy_macs"] == best["macs"]
    assert (described["image"], described["classes"]) == ([1, 8, 8], 10)
    assert nas.load_architecture(path).to_json() == best["architecture"]


def test_an_export_is_never_overwritten_unless_asked(told: Told, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    assert "--force" in told.refusal("export", "small", "-o", str(path))
    assert path.read_text() == "precious"
    written = told.json("export", "small", "--trial", "2", "-o", str(path), "--force")
    assert written == {"path": str(path), "format": "config", "run": "small", "trial": 2}
    assert path.read_text().startswith("schema_version:")


def test_an_export_into_a_folder_is_named_after_run_and_trial(told: Told, tmp_path: Path) -> None:
    told.text("export", "small", "--trial", "1", "-o", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["small-1.yaml"]


def test_an_export_is_json_or_yaml_by_its_name(told: Told, tmp_path: Path) -> None:
    for name in ("best.json", "best.yaml", "best.yml"):
        path = tmp_path / name
        assert told.text("export", "small", "-o", str(path)).strip() == str(path)
        assert path.is_file()
    assert json.loads((tmp_path / "best.json").read_text())["schema_version"] == 1
    assert load(tmp_path / "best.json") == load(tmp_path / "best.yaml")
    refused = told.refusal("export", "small", "-o", str(tmp_path / "best.onnx"))
    assert "best.onnx: a config file ends in .yaml, .yml, .json" in refused
    assert not (tmp_path / "best.onnx").exists()
    asked = ("export", "small", "--trial", "1", "-o", f"{tmp_path / 'v1.2'}/")
    assert "there is no folder" in told.refusal(*asked)
    (tmp_path / "v1.2").mkdir()
    told.text(*asked)
    assert (tmp_path / "v1.2" / "small-1.yaml").is_file()
    assert "written" in told.refusal("export", "small", "-o", "/proc/best.json")


@pytest.mark.parametrize("trial", ["9", "-1", "worst"])
def test_a_trial_that_is_not_there_is_named(told: Told, trial: str) -> None:
    message = told.refusal("export", "small", "--trial", trial)
    assert repr(trial) in message
    assert "0 to 3" in message


def test_a_run_of_that_name_is_refused_before_anything_happens(told: Told) -> None:
    before = sorted(Path(told.out).rglob("*"))
    assert "resume" in told.refusal(*SEARCH, "--name", "small")
    assert sorted(Path(told.out).rglob("*")) == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--hard"], {"hard": True, "w": None, "trials": 4}),
        (["--w", "-0.2"], {"hard": False, "w": -0.2}),
        (["--target-latency", "3ms"], {"target_latency": "3.0ms", "max_latency": None}),
        (
            ["--target-latency", "3ms", "--max-latency", "4ms"],
            {"target_latency": "3.0ms", "max_latency": "4.0ms"},
        ),
        (["--name", "again"], {"name": "again", "limit": 40, "w": -0.07}),
        ([], {"name": None, "space": "msd", "runtime": "macs", "epochs": 1}),
    ],
)
def test_the_settings_of_a_run_begin_another(
    out: str, monkeypatch: pytest.MonkeyPatch, given: list[str], expected: dict[str, object]
) -> None:
    assert options_of(Path(out) / "small" / "search.yaml", given, monkeypatch) >= expected.items()


def test_a_hard_settings_file_can_be_made_soft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hard.yaml"
    path.write_text("hard: true\nname: mine\n")
    kept = options_of(path, [], monkeypatch)
    assert kept >= {"hard": True, "name": "mine"}.items()
    for given in (["--no-hard"], ["--w", "-0.1"]):
        assert ("hard", False) in options_of(path, given, monkeypatch)
    assert ("hard", True) in options_of(path, ["--hard"], monkeypatch)


def options_of(
    config: Path, given: list[str], monkeypatch: pytest.MonkeyPatch
) -> ItemsView[str, object]:
    """The settings with which `nas search` begins."""
    begun: list[SearchSettings] = []

    def start(settings: SearchSettings, progress: object) -> None:
        begun.append(settings)
        raise UserError("enough")

    monkeypatch.setattr(searches, "start", start)
    assert main(["search", "--config", str(config), *given]) == 2
    return begun.pop().model_dump().items()


def test_search_tells_the_result_on_standard_output_only(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    status = told.json(*SEARCH, "--trials", "2", "--name", "second")
    assert status["trials"]["complete"] == 2
    resumed = told.text("resume", "second", "--trials", "+1")
    assert "3 trials complete" in resumed
    assert str(Path(told.out) / "second") in resumed
    assert capsys.readouterr().out == ""


def test_ctrl_c_says_how_to_go_on(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    run = nas.open_run(Path(told.out) / "small")

    def stopped(*given: object) -> None:
        raise searches.Interrupted(run)

    monkeypatch.setattr(searches, "start", stopped)
    assert told.code(*SEARCH) == 130
    assert "nas resume small" in told.err()
