"""What `nas repair` brings back of damaged runs, and that the search goes on with it."""

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from nas import plugins, store
from nas.cli.main import main
from nas.errors import UserError
from nas.repair import LOST, NO_ANSWERS, repair
from nas.run import Run, open_run
from nas.store.pages import rows
from tests.nas import small_msd
from tests.nas.simulated_search import drive, simulated_run
from tests.nas.table_search import PowerCut, Table, loop_of, made_run, store_of
from tests.nas.test_store_soundness import DAMAGE, PAGE, SCHEMAS, cut, zeroed

TRIALS, FAILING = 40, (3, 17)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", small_msd.WHERE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", small_msd.WHERE)
        run = simulated_run(tmp_path_factory.mktemp("whole"), name="run", trials=TRIALS)
        drive(run, FAILING, images=30)
        return run


@pytest.fixture
def run(whole: Run, tmp_path: Path) -> Run:
    shutil.copytree(whole.path, tmp_path / "run")
    return open_run(tmp_path / "run")


def rows_of(run: Run) -> list[dict[str, object]]:
    """All that the database has, but its own keys."""
    trials = store.read(run.storage_url, run.name)
    return [{k: v for k, v in t.__dict__.items() if k != "_trial_id"} for t in trials]


def named(change: object) -> str:
    return getattr(change, "__name__", str(change))


def damage(run: Run, change: Callable[[bytes], bytes]) -> bytes:
    file = run.path / "study.db"
    damaged = change(file.read_bytes())
    file.write_bytes(damaged)
    return damaged


def leaf_flipped(content: bytes, marked: bytes = b"CategoricalD") -> bytes:
    """One page of rows that hold these bytes is gone."""
    leaves = [at for at in range(PAGE, len(content), PAGE) if content[at] == 0x0D]
    at = [place for place in leaves if marked in content[place : place + PAGE]][-1]
    return content[:at] + bytes(b ^ 0xFF for b in content[at : at + PAGE]) + content[at + PAGE :]


def facts_flipped(content: bytes) -> bytes:
    """What some trials found out is gone."""
    return leaf_flipped(content, b"nas:facts")


def inner_zeroed(content: bytes) -> bytes:
    """The inner pages of all tables are gone, the rows are not."""
    pages = [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
    return b"".join(bytes(PAGE) if page[0] == 5 else page for page in pages)


@pytest.mark.parametrize("change", [zeroed, inner_zeroed, "old schema"], ids=named)
def test_rows_that_are_all_there_come_back_as_they_were(
    run: Run, whole: Run, change: Callable[[bytes], bytes] | str
) -> None:
    if isinstance(change, str):
        SCHEMAS[change](run.path / "study.db")
        damaged = (run.path / "study.db").read_bytes()
    else:
        damaged = damage(run, change)
    done = repair(run)
    assert done.recovered == tuple(range(TRIALS))
    assert done.lost == done.unanswered == done.removed == ()
    assert rows_of(run) == rows_of(whole)
    assert done.damaged == run.path / "study.db.damaged-1"
    assert done.damaged.read_bytes() == damaged
    assert not list(run.path.glob(".*"))
    again = repair(run)
    assert (again.damaged, again.recovered) == (None, ())


@pytest.mark.parametrize("change", [cut, DAMAGE["pages"], leaf_flipped, facts_flipped], ids=named)
def test_what_can_be_read_comes_back_and_the_rest_is_said(
    run: Run, whole: Run, change: Callable[[bytes], bytes]
) -> None:
    damaged = damage(run, change)
    with pytest.raises(UserError, match=f"nas repair {run.path}$"):
        run.records()
    done = repair(run)
    assert done.damaged is not None
    assert done.damaged.read_bytes() == damaged
    records, before = run.records(), whole.records()
    assert done.recovered
    assert sorted((*done.recovered, *done.lost)) == list(range(len(records)))
    for number in done.lost:
        assert (records[number].state, records[number].error) == ("failed", LOST)
    for number in set(done.recovered) - set(done.unanswered):
        # Of which nobody knows any more that it had ended, it is trained again.
        assert records[number].state in (before[number].state, "running")
        now, then = records[number].architecture, before[number].architecture
        assert now is not None and then is not None
        assert now.key == then.key


@pytest.mark.parametrize("content", [b"", b"these are the notes of somebody" * 1000])
def test_where_nothing_is_left_nothing_is_changed(run: Run, content: bytes) -> None:
    damage(run, lambda _: content)
    with pytest.raises(UserError, match=r"study\.db: no trial of it can be recovered"):
        repair(run)
    assert (run.path / "study.db").read_bytes() == content
    assert not list(run.path.glob("study.db.*"))


def test_what_a_killed_driver_had_written_ahead_is_part_of_it(whole: Run, tmp_path: Path) -> None:
    run = made_run(tmp_path, trials=9, controller="random", name="run")
    with closing(store_of(run)) as held:
        with pytest.raises(PowerCut):
            loop_of(run, store=held).go(Table(limit=6))
        for name in ("study.db", "study.db-wal"):
            shutil.copy(run.path / name, tmp_path / name)
    expected = rows_of(run)
    assert len(expected) == 6
    for name in ("study.db", "study.db-wal"):
        shutil.copy(tmp_path / name, run.path / name)
    assert (run.path / "study.db-wal").stat().st_size > 0
    damage(run, lambda content: bytes(len(content)))  # all is in what was written ahead
    assert repair(run).recovered == tuple(range(6))
    assert rows_of(run) == expected
    assert not (run.path / "study.db-wal").exists()


@pytest.mark.parametrize(
    "controller", ["random", "tpe", "nsga2", "evolution", "reinforce", "surrogate"]
)
def test_a_search_goes_on_after_its_repair(tmp_path: Path, controller: str) -> None:
    run = made_run(tmp_path, trials=20, controller=controller, name="run")
    with closing(store_of(run)) as held:
        loop_of(run, store=held).go(Table())
    damage(run, facts_flipped)
    done = repair(run)
    assert done.lost
    assert done.recovered
    longer = Run(run.path, run.settings.model_copy(update={"trials": 23}), run.latency)
    with closing(store_of(longer)) as held:
        loop_of(longer, store=held).go(Table())
    states = [record.state for record in longer.records()]
    assert states.count("complete") >= len(done.recovered) + 23 - 20
    assert "running" not in states


def test_a_trial_without_its_answers_fails_and_so_does_who_shares_them(run: Run) -> None:
    records = run.records()
    owner = (
        next(r.reused_from for r in records if r.reused_from is not None)
        if any(r.reused_from is not None for r in records)
        else 0
    )
    sharing = {r.trial for r in records if r.reused_from == owner}
    run.facts_path(owner).unlink()
    half = run.path / "facts" / ".00001.npz.abcdefg1"
    half.write_bytes(b"half")
    with pytest.raises(UserError, match="no such file of held-out facts"):
        run.records()
    done = repair(run)
    assert set(done.unanswered) == {owner, *sharing}
    assert done.removed == (half,)
    assert not half.exists()
    assert done.damaged is None
    found = run.records()
    assert {found[number].error for number in done.unanswered} == {NO_ANSWERS}
    assert {found[number].state for number in done.unanswered} == {"failed"}


def test_a_run_that_is_driven_is_not_repaired(run: Run) -> None:
    with run.driving(), pytest.raises(UserError, match="is being driven by process"):
        repair(run)


def test_the_command_says_what_it_did(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(run.path.parent)]
    assert main(["repair", "run", *out]) == 0
    assert capsys.readouterr().out == "run run is sound: nothing to repair\n"
    damage(run, cut)
    assert main(["status", "run", *out]) == 2
    assert f"nas repair {run.path}" in capsys.readouterr().err
    assert main(["repair", "run", "--json", *out]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"run", "damaged", "recovered", "lost", "unanswered", "removed"}
    assert said["damaged"] == str(run.path / "study.db.damaged-1")
    damage(run, zeroed)
    assert main(["repair", "run", *out]) == 0
    text = capsys.readouterr().out
    assert "study.db.damaged-2" in text
    assert main(["status", "run", *out]) == 0


def test_every_row_of_a_sound_file_is_found_page_by_page(run: Run) -> None:
    import sqlite3

    found = list(rows((run.path / "study.db").read_bytes()))
    with closing(sqlite3.connect(run.path / "study.db")) as connection:
        tables = [
            n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        counts = [
            connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables
        ]
        schema = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    assert len(found) == sum(counts) + schema
    long = max(len(str(value)) for row in found for value in row.values)
    assert long > 500
