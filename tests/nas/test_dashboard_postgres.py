"""The page is told the same of a search in PostgreSQL as of one in SQLite."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from nas import plugins
from nas.dashboard.hub import Hub
from nas.dashboard.rows import Rows
from nas.dashboard.server import Server as Page
from nas.dashboard.watch import Watch
from tests.nas.postgres_server import PASSWORD, Server, server
from tests.nas.simulated_search import drive, simulated_run
from tests.nas.small_msd import WHERE
from tests.nas.watched import study_of, whole

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)


def lasting(document: dict[str, Any]) -> Any:
    """A document without the moments at which things happened."""
    head = {**document["head"], "out": None, "changed": None, "made": None}
    trials = [each | {"begun": None, "ended": None} for each in document["trials"]]
    return json.loads(json.dumps([head, trials, document["progress"] | {"updated": None}]))


def test_the_same_search_is_told_the_same(postgres: Server, tmp_path: Path) -> None:
    url, told = postgres.create("told"), {}
    for name, storage in (("here", None), ("there", url)):
        run = simulated_run(tmp_path / name, name="run", trials=8, storage=storage)
        drive(run, failing=(3,), images=100)
        told[name] = whole(run)
    for there, here in zip(lasting(told["there"]), lasting(told["here"]), strict=True):
        assert there == here
    for trial in told["there"]["trials"]:
        assert time.time() - 300 < trial["begun"] <= trial["ended"] <= time.time()
    with TestClient(Page(Hub([run], None)).app(), base_url="http://127.0.0.1") as client:
        deadline = time.monotonic() + 60
        while len(client.get("/api/runs/run").json()["trials"]) < 8:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        answer = client.get("/api/runs/run")
        trials = sorted(answer.json()["trials"], key=lambda trial: int(trial["n"]))
        assert trials == json.loads(json.dumps(told["there"]["trials"]))
        assert PASSWORD not in answer.text
        assert client.get("/api/runs/run/files/search.yaml").status_code == 404
        assert client.get("/api/runs/run/trials/0").status_code == 200
        assert client.get(f"/api/runs/run/trials/{2**31}").status_code == 404


def test_what_changes_is_read_again_and_other_studies_are_not(
    postgres: Server, tmp_path: Path
) -> None:
    url = postgres.create("changes")
    one, two = (simulated_run(tmp_path, name=name, storage=url) for name in ("one", "two"))
    rows = Rows(url, "one")
    stores = [study_of(run) for run in (two, one)]
    assert rows.changed() == []
    stores[0].start({}, {}, {})
    assert rows.changed() == []
    begun = stores[1].start({}, {}, {}).number
    assert [row.state.name for row in rows.changed()] == ["RUNNING"]
    stores[1].fail(begun, {"error": "no luck"})
    assert [row.state.name for row in rows.changed()] == ["FAIL"]
    assert rows.changed() == []
    rows.close()
    for store in stores:
        store.close()


def test_a_server_that_is_away_is_one_line_and_then_back(postgres: Server, tmp_path: Path) -> None:
    run = simulated_run(tmp_path, name="away", trials=2, storage=postgres.create("away"))
    drive(run, images=60)
    watch = Watch(run, "away")
    assert sum(map(len, watch.look())) == 2
    postgres.stop()
    try:
        assert list(watch.look()) == []
        progress = watch.progress(time.time())
    finally:
        postgres.start()
    assert progress["state"] == "unreadable"
    assert "\n" not in progress["error"]
    assert PASSWORD not in progress["error"]
    assert progress["counts"]["complete"] == 2
    assert list(watch.look()) == []
    assert watch.progress(time.time())["state"] == "finished"
    watch.close()
