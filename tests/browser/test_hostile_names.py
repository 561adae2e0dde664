"""Five hundred names that a careless page would run, as errors, runs, data and trainings."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page

from nas import records
from nas.config import load, save
from nas.run import open_run
from tests.browser.conftest import Serve, nas
from tests.browser.simulated import simulated
from tests.browser.test_dashboard import READ
from tests.nas.watched import hostile, study_of
from tests.security.hostile_names import names

NAMES = names()
MAIN = "<img src=x onerror=alert(1)>"
FOREIGN = 'img[src="x"], iframe, svg[onload]'
TOLD = "(id) => [...NAS.state.runs.get(id).trials.values()].map((trial) => trial.error)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a failed trial for every name, runs called by some, and a network with others."""
    out = tmp_path_factory.mktemp("results")
    run = simulated(out, "main", 5)
    shutil.copytree(run.path, out / "small")
    store, trained = study_of(run), run.records()[0].architecture
    assert trained is not None
    for name in NAMES:
        number = store.start({}, {}, {"architecture": trained.to_json()}).number
        store.fail(number, records.facts(trained, error=name))
    store.close()
    _training(out, run.path)
    settings = run.path / "search.yaml"
    settings.write_text(settings.read_text().replace("data: digits", f"data: '{MAIN}'"))
    hostile(run, MAIN)
    usable = [name for name in NAMES if _is_file_name(name)]
    for name in usable[:12]:
        shutil.copytree(out / "small", out / "other")
        hostile(open_run(out / "other"), name)
    shutil.rmtree(out / "small")
    return out


def _is_file_name(name: str) -> bool:
    plain = name.isprintable() and "/" not in name and "\\" not in name
    return plain and 0 < len(name.encode()) < 200 and name[0] not in ".-~" and name != MAIN


def _training(out: Path, run: Path) -> None:
    """A network beside the run, whose every word is a name."""
    folder = out / "trained"
    folder.mkdir()
    exported = nas("export", f"{run}:best", "-o", str(folder / "config.yaml"))
    assert exported.returncode == 0, exported.stderr
    config = load(folder / "config.yaml")
    assert config.exits is not None and config.provenance is not None
    odd = [name for name in NAMES if name.isprintable() and len(name) < 500]
    assert config.metrics is not None
    parts = {
        "exits": config.exits.model_copy(update={"found": MAIN}),
        "provenance": config.provenance.model_copy(update={"run": MAIN}),
        "metrics": config.metrics.model_copy(update={"device": MAIN, "runtime": MAIN}),
        "classes": tuple(odd[:10]),
    }
    save(config.model_copy(update=parts), folder / "config.yaml")


def test_five_hundred_names_are_but_names(page: Page, served: Serve, folder: Path) -> None:
    with served(folder) as address:
        page.goto(address)
        visit(page)


def test_five_hundred_names_are_but_names_in_a_report(
    page: Page, folder: Path, tmp_path: Path
) -> None:
    written = nas("report", str(folder / MAIN), "-o", str(tmp_path / "page.html"))
    assert written.returncode == 0, written.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    page.goto((tmp_path / "page.html").as_uri())
    visit(page)


def visit(page: Page) -> None:
    """Every view, with failed trials selected; dialogs and complaints are seen by the fixture."""
    page.wait_for_function(READ)
    page.wait_for_function("(id) => NAS.state.runs.has(id)", arg=MAIN)
    page.evaluate("(id) => NAS.set({ shown: new Set([id]) })", MAIN)
    page.wait_for_function("(id) => NAS.state.runs.get(id).trials.size > 500", arg=MAIN)
    told = {error for error in page.evaluate(TOLD, MAIN) if error}
    assert len(told) >= len(NAMES) - 2  # of no error, and one that is no text
    scripts = page.locator("script").count()
    for first, second in ((0, 1), (10, 300), (503, 504)):
        page.evaluate(
            "([id, a, b]) => { NAS.select(id, a); NAS.select(id, b, null, true); }",
            [MAIN, first, second],
        )
        for tab in page.locator("#tabs a").all():
            tab.click()
            page.wait_for_timeout(100)
            assert page.locator(FOREIGN).count() == 0
            assert page.locator("script").count() == scripts
