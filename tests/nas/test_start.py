"""Searches that begin with networks which a user names, or with the published ones."""

import json
from pathlib import Path

import pytest

import nas
from controllers.record import ASKED_AFTER
from nas import frame, plugins, searches, starting
from nas.cli.main import main
from nas.errors import UserError
from nas.run import Run, create, open_run
from nas.starting import StartingPoint
from nas.store import STARTED, read
from search_spaces.errors import SpaceError
from search_spaces.msd import MSD
from tests.nas.starting_msd import STARTING, WHERE
from tests.nas.table_search import CLASSES, IMAGE, Heard, PowerCut, Table, loop_of, made_run
from tests.nas.test_search_loop import CONTROLLERS, sequence
from tests.nas.test_search_whole import QUICK

PUBLISHED = STARTING.published


@pytest.fixture(autouse=True)
def _published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)


def points(start: str) -> tuple[StartingPoint, ...]:
    found = starting.find(start, STARTING)
    return starting.buildable(found, STARTING, IMAGE, CLASSES, lambda line: None)


def starting_run(out: Path, start: str, **options: object) -> Run:
    run = made_run(out, start=start, **options)
    (run.path / starting.FILE).write_bytes(starting.dump(points(start)))
    return run


def keys(run: Run) -> list[str]:
    return [record.architecture.key for record in run.records() if record.architecture]


def searched(out: Path, heard: Heard, **options: object) -> Run:
    return nas.search(
        "msd", out=str(out), progress=heard, **{**QUICK, "controller": "random", **options}
    )


# Every decision has its nearest option -----------------------------------------------------------


def test_the_nearest_point_of_the_grid_is_one_of_the_space() -> None:
    for architecture in MSD.published.values():
        nearest = MSD.nearest(architecture)
        assert list(nearest) == [decision.name for decision in MSD.decisions]
        assert not MSD.architecture(nearest).widened
        given = architecture.decisions()
        for decision in MSD.decisions:
            if decision.name in given and decision.has(given[decision.name]):
                assert nearest[decision.name] == given[decision.name]
    seven = MSD.nearest(MSD.published["msdnet-cifar-anytime-7"])
    assert (seven["blocks"], seven["block1.layers"], seven["channels"]) == (5, 3, 16)


# What is started from ----------------------------------------------------------------------------


def test_published_networks_come_in_their_order_each_once() -> None:
    found = starting.find("published", STARTING)
    assert [point.name for point in found] == ["narrow", "large-images", "slow", "wide"]
    assert not any(point.named for point in found)
    assert starting.find("none", STARTING) == ()


def test_names_and_files_may_be_mixed(tmp_path: Path) -> None:
    data = {"schema_version": 1, **PUBLISHED["slow"].to_json()}
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(data))
    found = starting.find(f"wide, {file},narrow", STARTING)
    assert [point.architecture for point in found] == [
        PUBLISHED["wide"], PUBLISHED["slow"], PUBLISHED["narrow"],
    ]  # fmt: skip
    assert all(point.named for point in found)
    assert starting.absolute("wide") == "wide"


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("nrrow", "did you mean 'narrow'"),
        ("narrow,", "joined by commas"),
        ("", "joined by commas"),
        ("gone.yaml", "gone.yaml: no such file"),
        ("other.json", "of space msd-layer"),
        ("broken.json", "broken.json"),
    ],
)
def test_what_is_no_start_is_one_line_and_writes_nothing(
    start: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.json").write_text("{")
    other = plugins.space("msd-layer")
    nearest = other.architecture(other.nearest(PUBLISHED["wide"])).to_json()
    Path("other.json").write_text(json.dumps({"schema_version": 1, **nearest}))
    assert main(["search", "--start", start]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
    assert {path.name for path in Path().iterdir()} == {"broken.json", "other.json"}


def test_a_space_without_published_networks_says_so() -> None:
    with pytest.raises(UserError, match="no published networks"):
        starting.find("published", plugins.space("msd-layer"))


def test_what_cannot_be_built_is_left_out_and_named() -> None:
    said: list[str] = []
    found = starting.find("published", STARTING)
    kept = starting.buildable(found, STARTING, IMAGE, CLASSES, said.append)
    assert [point.name for point in kept] == ["narrow", "slow", "wide"]
    (line,) = said
    assert "large-images is left out" in line
    assert "at least 16 pixels" in line
    only = [point for point in found if point.name == "large-images"]
    with pytest.raises(UserError, match="none of the networks"):
        starting.buildable(only, STARTING, IMAGE, CLASSES, said.append)


# The trials --------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1, 3])
def test_the_first_trials_are_the_networks_themselves(tmp_path: Path, capacity: int) -> None:
    run = starting_run(tmp_path, "wide,narrow", trials=5, controller="random")
    table = Table(capacity)
    loop_of(run).go(table)
    assert keys(run)[:2] == [PUBLISHED["wide"].key, PUBLISHED["narrow"].key]
    assert table.submitted[:2] == [0, 1]
    records = run.records()
    assert len(records) == 5
    assert records[0].architecture == PUBLISHED["wide"]
    assert "channels" in PUBLISHED["wide"].widened
    rows = read(run.storage_url, run.name)
    assert [STARTED in row.user_attrs for row in rows] == [True, True, False, False, False]
    assert rows[0].params == STARTING.nearest(PUBLISHED["wide"])
    assert rows[0].system_attrs[ASKED_AFTER] == 0
    shown = frame.trials(records, run.objective())
    assert shown["key"][0] == PUBLISHED["wide"].key
    assert json.loads(shown["architecture"][0]) == PUBLISHED["wide"].to_json()


# A start is the same to every controller, and test_search_loop cuts the searches of all of them.
LEARNS = "reinforce"
OTHERS = [pytest.param(c, marks=pytest.mark.slow) for c in CONTROLLERS if c != LEARNS]


@pytest.mark.parametrize("controller", [LEARNS, *OTHERS])
def test_a_search_cut_anywhere_goes_on_as_if_it_had_not_been(
    tmp_path: Path, controller: str
) -> None:
    options = {"trials": 9, "controller": controller, "seed": 3}
    whole = starting_run(tmp_path / "whole", "narrow,slow,wide", **options)
    loop_of(whole).go(Table())
    cut = starting_run(tmp_path / "cut", "narrow,slow,wide", **options)
    for lasts in (1, 2, 4):
        with pytest.raises(PowerCut):
            loop_of(cut).go(Table(limit=lasts))
        running = cut.records()[-1]
        assert running.state == "running"
        assert running.architecture is not None
        assert running.architecture.key == keys(whole)[running.trial]
    loop_of(cut).go(Table())
    assert sequence(cut) == sequence(whole)
    assert keys(whole)[:3] == [PUBLISHED[name].key for name in ("narrow", "slow", "wide")]


def test_a_search_that_starts_elsewhere_proposes_otherwise_only_as_it_learns(
    tmp_path: Path,
) -> None:
    plain = made_run(tmp_path / "plain", trials=6, controller="random")
    started = starting_run(tmp_path / "started", "wide,narrow", trials=6, controller="random")
    for run in (plain, started):
        loop_of(run).go(Table())
    assert keys(plain)[2:] == keys(started)[2:]  # chance depends on the number of a trial alone


@pytest.mark.parametrize(("start", "state"), [("published", "pruned"), ("slow,wide", "complete")])
def test_slow_networks_are_trained_where_they_were_named(
    tmp_path: Path, start: str, state: str
) -> None:
    run = starting_run(tmp_path, start, trials=3, max_latency="1ms", controller="random")
    loop_of(run).go(Table())
    found = {record.architecture: record for record in run.records()}
    assert found[PUBLISHED["slow"]].state == state
    assert found[PUBLISHED["wide"]].state == "complete"
    assert sum(record.state == "complete" for record in run.records()) == 3


def test_a_named_network_larger_than_allowed_is_refused(
    tmp_path: Path,
) -> None:
    limits = {"start": "narrow,wide", "max_parameters": "100", "max_latency": "1us"}
    with pytest.raises(UserError, match=r"start: narrow has [0-9,]+ parameters, over 100: raise"):
        searched(tmp_path, Heard(), **limits)
    assert not list(tmp_path.glob("**/search.yaml"))


def test_a_named_network_is_wanted_after_a_crash_too(tmp_path: Path) -> None:
    run = starting_run(tmp_path, "slow", trials=1, max_latency="1ms", controller="random")
    with pytest.raises(PowerCut):
        loop_of(run).go(Table(limit=1))
    loop_of(run).go(Table())
    assert [record.state for record in run.records()] == ["complete"]


# Whole searches ----------------------------------------------------------------------------------


def test_resume_goes_on_with_networks_that_the_trials_did_not_reach(tmp_path: Path) -> None:
    heard = Heard()
    run = searched(tmp_path, heard, start="published", trials=1, name="run")
    assert keys(run) == [PUBLISHED["narrow"].key]
    assert any(
        "starting from 3 networks, the first 1 of which will be tried" in each
        for each in heard.lines
    )
    assert any("large-images is left out" in line for line in heard.lines)
    searches.resume(run, "+3")
    again = open_run(run.path)
    assert keys(again)[:3] == [PUBLISHED[name].key for name in ("narrow", "slow", "wide")]
    assert again.records()[3].architecture not in PUBLISHED.values()
    repeated = nas.search(
        **{**again.settings.model_dump(mode="json"), "out": str(tmp_path / "again")}
    )
    assert keys(repeated)[:3] == keys(again)[:3]


def test_describe_and_export_show_the_network_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "search --start wide --trials 1 --name run --controller random".split()
    quick = [w for k, v in QUICK.items() for w in (f"--{k.replace('_', '-')}", str(v))]
    at = ["--out", str(tmp_path)]
    assert main([*command, *quick, *at]) == 0
    capsys.readouterr()
    assert main(["describe", "run:0", *at, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == PUBLISHED["wide"].key
    file = str(tmp_path / "best.yaml")
    assert main(["export", "run", *at, "-o", file]) == 0
    assert nas.load_architecture(file) == PUBLISHED["wide"]
    for command in (["trials", "run"], ["pareto", "run"]):
        capsys.readouterr()
        assert main([*command, *at, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)[0]["key"] == PUBLISHED["wide"].key


def test_a_lost_or_damaged_list_of_starts_is_one_line(tmp_path: Path) -> None:
    run = starting_run(tmp_path, "wide", trials=2)
    (run.path / starting.FILE).write_text("[{}]")
    with pytest.raises(UserError, match=r"start\.json is missing or damaged"):
        loop_of(run)
    (run.path / starting.FILE).unlink()
    with pytest.raises(UserError, match=r"start\.json is missing or damaged"):
        loop_of(run)
    data = StartingPoint("wide", PUBLISHED["wide"], named=True).to_json()
    data["architecture"]["version"] = 99
    (run.path / starting.FILE).write_text(json.dumps([data]))
    with pytest.raises(SpaceError, match="of version 99"):
        loop_of(run)


def test_a_run_without_starts_has_no_file(tmp_path: Path) -> None:
    run = made_run(tmp_path, trials=1)
    assert run.starting_points() == ()
    assert not (run.path / starting.FILE).exists()
    started = create(
        run.settings.model_copy(update={"name": "started", "start": "wide"}),
        run.latency,
        points("wide"),
    )
    assert started.starting_points() == points("wide")
