"""Searches whose server restarts, is gone for a while or takes nothing, and two drivers of one."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import BaseStorage
from optuna.testing.pytest_storages import StorageTestCase
from sqlalchemy.engine.default import DefaultDialect

from nas import plugins
from nas.errors import UserError
from nas.store import Backoff, Store
from nas.store.opening import storage as ours
from tests.nas.many_workers import executed
from tests.nas.postgres_server import Server, server
from tests.nas.small_msd import WHERE
from tests.nas.table_search import Table, loop_of, made_run, store_of
from tests.nas.test_search_loop import sequence

pytestmark = pytest.mark.postgres
NAMES = (f"faults{number}" for number in count())


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.create(next(NAMES))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)


class TestPostgres(StorageTestCase):
    @pytest.fixture
    def storage(self, url: str) -> Iterator[BaseStorage]:
        made = ours(url)
        yield made
        made.engine.dispose()


@pytest.mark.parametrize(
    ("processes", "waiting"), [(3, 30), pytest.param(8, 200, marks=pytest.mark.slow)]
)
def test_no_waiting_trial_is_given_to_two(url: str, processes: int, waiting: int) -> None:
    assert sorted(executed(url, processes, waiting)) == list(range(waiting))


def cut_connections(postgres: Server, database: str) -> None:
    postgres.tell(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    )


def read_only(postgres: Server, database: str) -> None:
    """For three seconds, also for those who are connected already."""
    postgres.tell(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    cut_connections(postgres, database)
    undo = f"ALTER DATABASE {database} SET default_transaction_read_only = off"
    threading.Timer(3, postgres.tell, [undo]).start()


FAULTS: dict[str, Callable[[Server, str], None]] = {
    "restart": lambda postgres, _: postgres.restart(),
    "connections": cut_connections,
    "outage": lambda postgres, _: postgres.stop() or threading.Timer(3, postgres.start).start(),
    "read-only": read_only,
}


class Struck(Table):
    """A fault comes while the trials of some numbers are trained."""

    def __init__(self, fault: Callable[[], None], at: tuple[int, ...]) -> None:
        super().__init__()
        self._fault, self._at = fault, at

    def completed(self, timeout: float) -> list[Any]:
        done = super().completed(timeout)
        if any(each.number in self._at for each in done):
            self._fault()
        return done


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_search_goes_on_by_itself_through(
    tmp_path: Path, postgres: Server, url: str, fault: str
) -> None:
    options = {"trials": 6, "controller": "reinforce", "seed": 3}
    whole = made_run(tmp_path / "whole", **options)
    loop_of(whole).go(Table())
    struck = made_run(tmp_path / "struck", storage=url, **options)
    database = url.partition("@/")[2].partition("?")[0]
    said: list[str] = []
    with closing(store_of(struck, Backoff(60.0, say=said.append))) as held:
        table = Struck(lambda: FAULTS[fault](postgres, database), (1, 3))
        loop_of(struck, store=held).go(table)
    assert table.submitted == list(range(6)), "every trial is trained once"
    assert sequence(struck) == sequence(whole)
    assert not any("open s" in line for line in said), "no password"
    if fault in ("outage", "read-only"):
        assert [line.rpartition(" ")[2] for line in said].count("again") == 4


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_search_goes_on_after_half_a_minute_without_a_server(
    tmp_path: Path, postgres: Server, url: str
) -> None:
    run = made_run(tmp_path, trials=4, controller="random", storage=url)

    def outage() -> None:
        postgres.stop()
        threading.Timer(30, postgres.start).start()

    table = Struck(outage, (1,))
    with closing(store_of(run)) as held:
        loop_of(run, store=held).go(table)
    assert table.submitted == [0, 1, 2, 3]
    assert [record.state for record in run.records()] == ["complete"] * 4


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("which", range(6))
def test_an_answer_that_is_lost_does_nothing_twice(
    tmp_path: Path, postgres: Server, url: str, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(tmp_path, trials=3, controller="random", storage=url)
    database = url.partition("@/")[2].partition("?")[0]
    commit, done = DefaultDialect.do_commit, 0

    def unheard(self: Any, connection: Any) -> None:
        nonlocal done
        commit(self, connection)
        done += 1
        if done - 1 == which:
            cut_connections(postgres, database)
            connection.cursor().execute("SELECT 1")  # finds that nobody is there

    with closing(store_of(run)) as held, monkeypatch.context() as patch:
        loop = loop_of(run, store=held)
        patch.setattr(DefaultDialect, "do_commit", unheard)
        loop.go(Table())
        assert done > which
    assert [record.trial for record in run.records()] == [0, 1, 2]
    assert [record.state for record in run.records()] == ["complete"] * 3


HOLDER = """
import sys
from nas.store import Store
store = Store(sys.argv[1], "run", ["maximize"])
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def holder(url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_the_second_driver_of_a_study_is_refused_wherever_its_folder_is(url: str) -> None:
    with holder(url) as process:
        with pytest.raises(UserError) as caught:
            Store(url, "run", ["maximize"])
        said = str(caught.value)
        assert "study 'run' of postgresql" in said
        assert said.endswith(f"is being driven by process {process.pid} on {socket.gethostname()}")
        assert "open s" not in said
        with closing(Store(url, "another", ["maximize"])):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with closing(Store(url, "run", ["maximize"], backoff=Backoff(0))):
            pass


def test_a_driver_that_lost_its_study_to_another_writes_nothing(postgres: Server, url: str) -> None:
    database = url.partition("@/")[2].partition("?")[0]
    with closing(Store(url, "run", ["maximize"])) as mine:
        trial = mine.start({}, {}, {})
        cut_connections(postgres, database)
        with holder(url), pytest.raises(UserError, match="is being driven by process"):
            mine.fail(trial.number, {"error": "late"})
        mine.fail(trial.number, {"error": "now it is ours again"})
        assert mine.told == 1
