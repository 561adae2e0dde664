"""Several runs at once: what a page hears of them, and what one says of another."""

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas import records
from nas.dashboard.hub import Hub
from nas.pareto import front
from nas.run import Run, open_run, save_settings
from tests.nas.simulated_search import drive, simulated_run
from tests.nas.watched import study_of, whole

# Hub


class Heard:
    """A hub looked at by hand, and what it tells."""

    def __init__(self, folder: Path) -> None:
        self.hub = Hub([], folder)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.hub._tell = lambda event, value: self.told.append((event, value))  # type: ignore[method-assign]

    def look(self) -> list[tuple[str, dict[str, Any]]]:
        """What is told in one look at everything."""
        self.told = []
        for _ in self.hub._steps(time.time):
            pass
        return self.told


def test_a_run_that_appears_later_is_told(searched: Run, tmp_path: Path) -> None:
    heard = Heard(tmp_path)
    assert heard.look() == []
    shutil.copytree(searched.path, tmp_path / "searched")
    told = heard.look()
    assert told[0][0] == "runs"
    assert [head["id"] for head in told[0][1]["runs"]] == ["searched"]
    trials = [t["n"] for event, value in told if event == "trials" for t in value["trials"]]
    assert sorted(trials) == [trial["n"] for trial in whole(searched)["trials"]]
    heads = [value["runs"][0] for event, value in told if event == "runs"]
    assert heads[-1]["held_out"] == 60  # the last one told is complete
    assert heads[-1] == heard.hub.document("searched")["head"]
    assert heard.look() == []


def test_a_growing_run_tells_its_first_trial_and_its_images(tmp_path: Path) -> None:
    run = simulated_run(tmp_path, name="growing", trials=1)
    study_of(run)
    heard = Heard(tmp_path)
    heard.look()
    drive(run, images=44)
    told = dict(heard.look())
    assert [trial["n"] for trial in told["trials"]["trials"]] == [0]
    assert told["runs"]["runs"][0]["held_out"] == 44
    assert told["progress"]["progress"]["state"] == "finished"


def test_a_run_that_is_resumed_is_not_finished_before_its_new_end(tmp_path: Path) -> None:
    run = simulated_run(tmp_path, name="longer", trials=2)
    drive(run, images=44)
    heard = Heard(tmp_path)
    heard.look()
    heard.told.clear()
    save_settings(replace(run, settings=run.settings.model_copy(update={"trials": 5})))
    told = dict(heard.look())
    assert (told["progress"]["progress"]["asked"], told["progress"]["progress"]["state"]) == (
        5,
        "stopped",
    )
    head = told["runs"]["runs"][0]
    assert (head["trials_asked"], head["held_out"]) == (5, 44)
    assert "trials" not in told  # they are the same


def test_a_run_made_in_the_place_of_another_is_told_anew(tmp_path: Path) -> None:
    drive(simulated_run(tmp_path, name="again", trials=3), images=44)
    heard = Heard(tmp_path)
    heard.look()
    shutil.rmtree(tmp_path / "again")
    heard.look()
    assert heard.hub.document("again")["progress"]["state"] == "unreadable"
    heard.told.clear()
    other = simulated_run(tmp_path, name="again", trials=2, seed=5)
    drive(other, images=55)
    told = heard.look()
    assert told[0][0] == "runs"  # first, by which a page forgets the trials of before
    document = heard.hub.document("again")
    assert sorted(document["trials"], key=lambda trial: trial["n"]) == whole(other)["trials"]
    assert document["head"] == whole(other)["head"]
    assert document["progress"]["counts"]["complete"] == 2


def test_runs_of_one_name_are_told_apart(searched: Run, tmp_path: Path) -> None:
    shutil.copytree(searched.path, tmp_path / "searched")
    hub = Hub([searched, open_run(tmp_path / "searched"), searched], None)
    assert [head["id"] for head in hub.heads()] == ["searched", "searched (2)"]
    assert hub.watch("searched (2)").run.path == tmp_path / "searched"


@pytest.mark.parametrize(
    "damage", ["settings", "latency", "device", "space", "database", "directory"]
)
def test_a_damaged_run_does_not_hide_the_others(searched: Run, tmp_path: Path, damage: str) -> None:
    shutil.copytree(searched.path, tmp_path / "whole" / "searched")
    bad = tmp_path / "whole" / "bad"
    shutil.copytree(searched.path, bad)
    settings = bad / "search.yaml"
    if damage == "settings":
        settings.write_text("space: [")
    elif damage == "latency":
        (bad / "latency.json").unlink()
    elif damage == "device":
        (bad / "latency.json").write_text('{"target_ms": 1.0}')
    elif damage == "space":
        settings.write_text(settings.read_text().replace("space: msd\n", "space: gone\n"))
    elif damage == "database":
        (bad / "study.db").write_bytes(b"no database")
    else:
        settings.unlink()
        settings.mkdir()
    heard = Heard(tmp_path / "whole")
    heard.look()
    assert heard.hub.document("searched")["progress"]["state"] == "finished"
    if damage == "database":
        assert heard.hub.document("bad")["progress"]["state"] == "unreadable"
    else:
        assert not heard.hub.knows("bad")
        assert "\n" not in heard.hub.refused["bad"]
        shutil.rmtree(bad)
        shutil.copytree(searched.path, bad)
        heard.look()
        assert heard.hub.refused == {}
        assert heard.hub.knows("bad")


def test_what_the_page_has_is_what_the_command_line_says(searched: Run) -> None:
    told = whole(searched)["trials"]
    flat = [(trial["n"], p[0], p[1], p[2]) for trial in told for p in trial["p"]]
    standing = front([(a, ms) for _, _, a, ms in flat], ("maximize", "minimize"))
    from nas import frame

    rows = frame.rows(frame.pareto(records.read(searched), searched.objective()))
    mine = sorted((flat[at][3], flat[at][2], flat[at][0]) for at in standing)
    assert mine == [(row["latency_ms"], row["accuracy"], row["trial"]) for row in rows]


def test_a_mistake_of_ours_in_one_run_stops_no_other(
    searched: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        shutil.copytree(searched.path, tmp_path / name / "searched")
    hub = Hub([open_run(tmp_path / name / "searched") for name in ("one", "two")], None)

    def broken() -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(hub.watch("searched")._rows, "changed", broken)
    for _ in hub._steps(time.time):
        pass
    ours, other = (hub.document(name) for name in ("searched", "searched (2)"))
    assert (ours["progress"]["state"], other["progress"]["state"]) == ("unreadable", "finished")
    assert ours["progress"]["error"] == "ZeroDivisionError: ours"
    assert len(other["trials"]) == len(whole(searched)["trials"])
