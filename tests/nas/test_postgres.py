"""Runs whose trials are in PostgreSQL, on a server that lives as long as these tests."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from nas import plugins, searches, store
from nas.cli.main import main
from nas.errors import UserError
from nas.run import open_run, writing
from nas.store import FACTS, Backoff, Store, holds
from tests.nas.postgres_server import PASSWORD, Server, newest, server
from tests.nas.simulated_search import drive, simulated_run
from tests.nas.small_msd import WHERE
from tests.nas.table_search import PowerCut, Table, loop_of, made_run, store_of
from tests.nas.test_search_loop import sequence
from tests.nas.test_search_whole import QUICK

pytestmark = pytest.mark.postgres

VIEWS = ("status", "trials", "pareto")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def new_database(postgres: Server) -> Callable[[], str]:
    """Makes another empty database; gives its address."""
    names = (f"search{number}" for number in count())
    return lambda: postgres.create(next(names))


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)


def test_without_a_server_the_tests_fail_and_say_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="install it with 'make system'"):
        newest(tmp_path)
    for version in ("9", "15"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()
    assert newest(tmp_path) == tmp_path / "15" / "bin"


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_a_search_there_shows_what_a_search_here_shows(
    tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for out, storage in ((tmp_path / "here", None), (tmp_path / "there", url)):
        run = simulated_run(out, name="run", trials=8, controller="tpe", storage=storage)
        drive(run, failing=(3,), images=100)
        assert (run.path / "study.db").exists() is (storage is None)
    for view in VIEWS:
        here, there = (
            shown(capsys, view, "run", "--json", "--out", str(tmp_path / name))
            for name in ("here", "there")
        )
        assert json.loads(there) == json.loads(here)
    rows = [store.read(open_run("run", tmp_path / n).storage_url, "run") for n in ("here", "there")]
    for one, other in zip(*rows, strict=True):
        assert one.user_attrs == other.user_attrs
        assert one.system_attrs == other.system_attrs
        assert (one.params, one.distributions) == (other.params, other.distributions)
        assert (one.state, one.values) == (other.state, other.values)
    assert all(len(row.user_attrs[FACTS]["losses"]) == 4 for row in rows[1] if row.values)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("controller", ["nsga2", "reinforce"])
def test_a_search_that_was_cut_goes_on_as_if_it_had_not_been(
    tmp_path: Path, new_database: Callable[[], str], controller: str
) -> None:
    options = {"trials": 9, "controller": controller, "seed": 3}
    whole = made_run(tmp_path / "whole", **options)
    loop_of(whole).go(Table())
    cut = made_run(tmp_path / "cut", storage=new_database(), **options)
    for lasts in (1, 5):
        with pytest.raises(PowerCut), closing(store_of(cut)) as held:
            loop_of(cut, store=held).go(Table(limit=lasts))
        assert cut.records()[-1].state == "running"
    loop_of(cut).go(Table())
    assert sequence(cut) == sequence(whole)


DRIVER = """
import os, signal, sys
from tests.nas.small_msd import instead_of_msd
from tests.nas.table_search import Table, loop_of
from nas.run import open_run

instead_of_msd()

class Killed(Table):
    def completed(self, timeout):
        if len(self.submitted) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().completed(timeout)

loop_of(open_run(sys.argv[1])).go(Killed())
"""


@pytest.mark.usefixtures("small")
def test_a_driver_that_is_killed_leaves_a_run_to_go_on_with(tmp_path: Path, url: str) -> None:
    run = made_run(tmp_path, trials=5, controller="random", storage=url)
    killed = subprocess.run([sys.executable, "-c", DRIVER, str(run.path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [record.state for record in run.records()] == ["complete", "complete", "running"]
    loop_of(run).go(Table())
    assert [record.state for record in run.records()] == ["complete"] * 5


@pytest.mark.usefixtures("small")
def test_the_commands_search_resume_and_never_show_the_password(
    tmp_path: Path, url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    options = {**QUICK, "controller": "random", "trials": 2, "name": "run", "storage": url}
    words = [word for key, value in options.items() for word in (option(key), str(value))]
    common = ["--out", str(tmp_path)]
    assert main(["search", "--space", "msd", *words, *common]) == 0
    assert main(["resume", "run", "--trials", "+1", *common]) == 0
    for view in (*VIEWS, "runs"):
        for more in ([], ["--json"]):
            assert main([view, *([] if view == "runs" else ["run"]), *more, *common]) == 0
    config = str(tmp_path / "config.yaml")
    assert main(["export", "run", "--format", "config", "-o", config, *common]) == 0
    assert main(["search", "--space", "msd", *words, "--out", str(tmp_path / "again")]) == 2
    said = "".join(capfd.readouterr())
    assert "already has a study 'run'" in said
    assert [record.state for record in open_run("run", tmp_path).records()] == ["complete"] * 3
    written = {path for path in tmp_path.rglob("*") if path.is_file() and told(path.read_bytes())}
    assert main(["repair", "run", *common]) == 0
    assert main(["report", "run", "-o", str(tmp_path / "report.html"), *common]) == 0
    said += "".join(capfd.readouterr())
    written |= {path for path in tmp_path.rglob("*") if path.is_file() and told(path.read_bytes())}
    assert not told(said.encode())
    assert written == {tmp_path / "run" / "search.yaml"}
    assert (tmp_path / "run" / "search.yaml").stat().st_mode & 0o777 == 0o600


def option(key: str) -> str:
    return "--" + key.replace("_", "-")


def told(text: bytes) -> bool:
    """Whether it has the password, as it is or as an address quotes it."""
    return PASSWORD.encode() in text or quote(PASSWORD, safe="").encode() in text


OUTAGE = """
import sys, traceback, logging
from pathlib import Path
from tests.nas.small_msd import instead_of_msd
from tests.nas.table_search import Table, loop_of, store_of
from nas.run import open_run
from nas.store import Backoff

logging.basicConfig(level=logging.DEBUG)
instead_of_msd()
run = open_run(sys.argv[1])
store = store_of(run, Backoff(2, say=print))
print("held", flush=True)
print(Path("/proc/self/cmdline").read_text(), sys.stdin.readline())
try:
    loop_of(run, store=store).go(Table())
except BaseException:
    traceback.print_exc()
print(repr(store), vars(store), store._kept._engine, repr(store._kept._engine.url))
"""


@pytest.mark.usefixtures("small")
def test_the_password_is_in_no_log_no_traceback_and_no_command_line(tmp_path: Path) -> None:
    with server() as leaving:
        run = made_run(
            tmp_path, trials=3, controller="random", storage=leaving.create("canary"), name="run"
        )
        with subprocess.Popen(
            [sys.executable, "-c", OUTAGE, str(run.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            running = subprocess.run(["ps", "-ef", "ww"], capture_output=True, check=True).stdout
            leaving.stop()
            said, wrong = process.communicate(b"\n", timeout=60)
        leaving.start()
    assert b"does not answer" in said
    assert b"Unwritable" in wrong
    for text in (said, wrong, running):
        assert not told(text)


@pytest.mark.usefixtures("small")
def test_no_connection_stays_open_behind_a_search(tmp_path: Path, url: str) -> None:
    import psycopg

    options = {**QUICK, "out": str(tmp_path), "name": "run", "storage": url}
    run = searches.search("msd", controller="random", trials=1, **options)
    searches.resume(run, "+1")
    run.records()
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        (others,) = connection.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid != pg_backend_pid()"
        ).fetchone() or (None,)
    assert others == 0


@pytest.mark.usefixtures("small")
def test_a_search_whose_server_drops_its_connections_goes_on(tmp_path: Path, url: str) -> None:
    import psycopg

    run = made_run(tmp_path, trials=4, controller="random", storage=url)

    class Dropping(Table):
        def completed(self, timeout: float) -> list[Any]:
            with psycopg.connect(url.replace("+psycopg", "")) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid != pg_backend_pid()"
                )
            return super().completed(timeout)

    loop_of(run).go(Dropping())
    assert [record.state for record in run.records()] == ["complete"] * 4


@pytest.mark.parametrize(
    ("database", "password", "why"),
    [
        ("postgres", "wrong", "password authentication failed"),
        ("nowhere", PASSWORD, 'database "nowhere" does not exist'),
        ("postgres?host=/nowhere&dbname=postgres", PASSWORD, "No such file or directory"),
    ],
    ids=["password", "database", "host"],
)
def test_a_database_that_does_not_open_is_one_line(
    postgres: Server, database: str, password: str, why: str
) -> None:
    with pytest.raises(UserError, match="cannot be opened") as caught:
        holds(postgres.address(database, password), "run")
    said = str(caught.value)
    assert why in said
    assert "\n" not in said
    assert not told(said.encode())
    assert "wrong" not in said


def test_a_run_whose_study_is_gone_is_one_line(tmp_path: Path, new_database: Any) -> None:
    run = simulated_run(tmp_path, name="run", trials=1, storage=new_database())
    with pytest.raises(UserError, match="holds no study; name the database"):
        run.records()
    Store(run.storage_url, "other", ["maximize"])
    with pytest.raises(UserError, match=r"^the storage has no study 'run'; a run's folder"):
        run.records()


@pytest.mark.usefixtures("small")
def test_a_server_that_goes_away_is_one_line(tmp_path: Path) -> None:
    with server() as leaving:
        url = leaving.create("short")
        run = made_run(tmp_path, trials=9, controller="random", storage=url)
        loop = loop_of(run, store=store_of(run, Backoff(total_s=0.5)))

        class Leaving(Table):
            def completed(self, timeout: float) -> list[Any]:
                if len(self.submitted) == 2:
                    leaving.stop()
                return super().completed(timeout)

        with pytest.raises(UserError, match="cannot be written") as caught, writing(run.path):
            loop.go(Leaving())
        assert not told(str(caught.value).encode())
        with pytest.raises(UserError, match="cannot be opened"):
            run.records()
        leaving.start()
        assert [record.state for record in run.records()] == ["complete", "running"]
