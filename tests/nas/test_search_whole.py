"""Searches that really train, on the smallest networks of msd and a few digits."""

import errno
from pathlib import Path
from typing import Any

import pytest
import yaml

import nas
from controllers.errors import ControllerError
from latency.errors import LatencyError
from nas import frame, plugins, searches, summary
from nas.errors import UserError
from nas.measurement import HeldOut
from nas.progress import spoken
from nas.run import Run, open_run
from search_spaces.errors import SpaceError
from tests.nas.small_msd import WHERE
from tests.nas.test_search_loop import CONTROLLERS, sequence

QUICK = {
    "runtime": "macs",
    "executor": "inline",
    "workers": 1,
    "image": 8,
    "limit": 60,
    "epochs": 1,
    "target_latency": "0.2ms",
    "max_latency": "1s",
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)


def searched(out: Path, **options: Any) -> Run:
    return nas.search("msd", out=str(out), **{**QUICK, **options})


def test_the_same_seed_trains_the_same(tmp_path: Path) -> None:
    one, two = (searched(tmp_path / n, controller="reinforce", trials=4) for n in "ab")
    assert sequence(one) == sequence(two)
    assert len({row[1] for row in sequence(one)}) > 1


@pytest.mark.slow
@pytest.mark.parametrize("controller", CONTROLLERS)
def test_every_controller_searches_the_same_twice(tmp_path: Path, controller: str) -> None:
    one, two = (searched(tmp_path / n, controller=controller, trials=16) for n in "ab")
    assert sequence(one) == sequence(two)
    assert {row[0] for row in sequence(one)} == {"complete"}


def test_the_settings_are_written_as_resolved_and_repeat_the_search(tmp_path: Path) -> None:
    found = searched(tmp_path / "a", trials=2, target_latency=None, controller="random")
    written = yaml.safe_load((found.path / "search.yaml").read_text())
    assert written["target_latency"] == f"{found.target_ms!r}ms"
    assert found.latency["found"] == "30th percentile of 32 random architectures"
    open_ended = {key for key, value in written.items() if value is None}
    limits = {"max_time", "max_parameters", "max_macs", "trial_timeout", "patience"}
    assert open_ended == {*limits, "data_root", "ray_address", "storage"}
    again = nas.search(**{**written, "out": str(tmp_path / "b")})
    assert sequence(again) == sequence(found)


def test_weights_on_the_front_are_those_that_were_judged(tmp_path: Path) -> None:
    from nas.training.evaluate import evaluate
    from nas.training.trial import cached
    from nas.training.weights import load_bytes

    run = searched(tmp_path, trials=2, controller="random")
    record = next(r for r in run.records() if run.weights_path(r.trial).exists())
    assert record.architecture is not None
    assert record.measurement is not None
    dataset = cached(run.settings.data_spec())
    network = run.space().build(record.architecture, dataset.image, len(dataset.classes))
    load_bytes(network, run.weights_path(record.trial).read_bytes())
    judged = evaluate(network, dataset.held_out, dataset.mean, dataset.std)
    assert (judged.correct == record.measurement.held_out.correct).all()


def test_the_summary_names_the_front_and_the_next_steps(tmp_path: Path) -> None:
    run = searched(tmp_path, trials=3, controller="random", name="mine")
    said = summary.text(run)
    assert said.startswith("mine: 3 trials complete")
    table = frame.pareto(run.records(), run.objective())
    rows = [line.split() for line in said.splitlines()]
    assert {int(row[0]) for row in rows if row and row[0].isdigit()} == set(table["trial"])
    assert f"nas resume mine --out {tmp_path} --trials +20" in said
    assert str(run.path) in said
    trained = [r.measurement.seconds for r in run.records() if r.measurement]
    assert said.splitlines()[-1].startswith(f"Training took {spoken(sum(trained))} over all")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    said = summary.text(open_run(run.path.rename(elsewhere / "mine")))
    assert f"nas resume mine --out '{elsewhere}' --trials +20" in said


def test_standard_output_stays_empty(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    searched(tmp_path, trials=1, controller="random")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"space": "msdd"}, UserError, "unknown search space 'msdd', did you mean 'msd'"),
        ({"controller": "greedy"}, UserError, "unknown controller 'greedy'"),
        ({"controller": "reinforce", "objective": "pareto"}, ControllerError, "one objective"),
        ({"objective": "speed"}, UserError, "objective 'speed'"),
        ({"data": "nowhere"}, UserError, "data '.*nowhere'"),
        ({"runtime": "abacus"}, UserError, "unknown runtime 'abacus'"),
        ({"device": "phone"}, LatencyError, "has no device 'phone'"),
        ({"epochs": 0}, UserError, "epochs 0"),
        ({"w": 0.5}, UserError, "w 0.5"),
    ],
)
def test_wrong_options_leave_nothing_behind(
    tmp_path: Path, options: dict[str, Any], error: type[ValueError], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        nas.search(**{**QUICK, "out": str(tmp_path), **options})
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_is_refused(tmp_path: Path) -> None:
    searched(tmp_path, trials=1, name="one", controller="random")
    with pytest.raises(UserError, match="go on with 'nas resume one'"):
        searched(tmp_path, trials=1, name="one", controller="random")


def test_a_run_is_extended(tmp_path: Path) -> None:
    whole = searched(tmp_path / "whole", trials=5, controller="random")
    short = searched(tmp_path / "short", trials=2, controller="random")
    longer = searches.resume(short, "+2")
    assert longer.settings.trials == nas.open_run(short.path).settings.trials == 4
    assert len(searches.resume(short.path, 5).records()) == 5
    assert sequence(nas.open_run(short.path)) == sequence(whole)


@pytest.mark.parametrize("trials", ["0", "+0", "-3", "many", "1.5", 0])
def test_a_bad_number_of_more_trials(tmp_path: Path, trials: str | int) -> None:
    from tests.nas.table_search import made_run

    with pytest.raises(UserError, match="give a number of trials in all, or"):
        searches.resume(made_run(tmp_path, trials=3), trials)


def test_a_relative_storage_is_found_from_anywhere_and_not_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = searched(Path("out"), trials=1, controller="random", storage="sqlite:///mine.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(searches.resume(run.path, 2).records()) == 2
    (tmp_path / "mine.db").unlink()
    with pytest.raises(UserError, match=r"mine\.db does not exist"):
        searches.resume(run.path, 3)
    assert not (tmp_path / "mine.db").exists()
    assert nas.open_run(run.path).settings.trials == 2


def test_a_total_below_the_trials_that_exist_is_refused(tmp_path: Path) -> None:
    run = searched(tmp_path, trials=3, controller="random")
    with pytest.raises(UserError, match="trials 2: the run has 3 already"):
        searches.resume(run, 2)
    assert nas.open_run(run.path).settings.trials == 3


def test_a_run_of_another_version_of_its_space_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = searched(tmp_path, trials=1, controller="random")
    monkeypatch.setattr(type(run.space()), "version", 77)
    with pytest.raises(UserError, match="version 1 of space msd; this installation has version 77"):
        searches.resume(run.path, 2)
    with pytest.raises(SpaceError, match="version 77"):
        run.records()


def test_a_broken_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: HeldOut, path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(HeldOut, "save", broken)
    with pytest.raises(UserError, match=r"npz cannot be written \(Input/output error\)$"):
        searched(tmp_path, trials=1, controller="random")
