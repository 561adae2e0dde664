"""Optuna's own dashboard opens the study of a run."""

import io
import json
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from optuna.storages import RDBStorage
from optuna_dashboard import wsgi

from nas import plugins
from tests.nas import small_msd
from tests.nas.simulated_search import drive, simulated_run


def asked(app: Any, path: str) -> Any:
    """The JSON that the application answers."""
    place, _, query = path.partition("?")
    environ: dict[str, Any] = {"PATH_INFO": place, "QUERY_STRING": query}
    environ["wsgi.input"] = io.BytesIO()
    setup_testing_defaults(environ)
    said: list[str] = []
    body = b"".join(app(environ, lambda status, headers, *rest: said.append(status)))
    assert said[0].startswith("200"), (said, body[:200])
    return json.loads(body)


def test_it_shows_the_same_trials_and_the_same_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", small_msd.WHERE)
    run = simulated_run(tmp_path, name="searched", trials=6)
    drive(run, failing=(2,), images=60)
    storage = RDBStorage(run.storage_url)
    app = wsgi(storage)
    (study,) = asked(app, "/api/studies")["study_summaries"]
    assert study["study_name"] == "searched"
    trials = asked(app, f"/api/studies/{study['study_id']}?after=0")["trials"]
    records = run.records()
    assert [trial["number"] for trial in trials] == [record.trial for record in records]
    states = {"complete": "Complete", "failed": "Fail"}
    assert [trial["state"] for trial in trials] == [states[record.state] for record in records]
    objective = run.objective()
    mine = [objective.values(r.measurement)[0] for r in records if r.measurement is not None]
    theirs = [trial["values"][0] for trial in trials if trial["state"] == "Complete"]
    assert max(map(float, theirs)) == max(mine)
    storage.engine.dispose()
