"""A run as one page: it loads nothing, holds what the server would answer, and cannot be broken."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from nas import plugins
from nas.cli.main import main
from nas.dashboard import page_files, report
from nas.errors import UserError
from nas.run import Run, open_run
from tests.nas import small_msd
from tests.nas.simulated_search import drive, simulated_run
from tests.nas.watched import hostile, study_of, whole

BREAKING = "</script><script>alert(1)</script><!--<script>"
NAME = "<!--<script><img src=x onerror=alert(1)>"


class Elements(HTMLParser):
    """The elements of a page: tag, attributes and, of scripts, their text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))
        self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = False

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found[-1][2].append(data)

    def of(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, "".join(text)) for name, attributes, text in self.found if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run whose name and whose error would end the element that holds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", small_msd.WHERE)
        folder = tmp_path_factory.mktemp("results")
        made = simulated_run(folder, name="hostile", trials=6)
        drive(made, failing=(2,), images=60)
        store = study_of(made)
        store.fail(store.start({}, {}, {}).number, {"error": BREAKING})
        hostile(made, NAME)
        yield open_run(folder / NAME)


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    size = report.write([run], path, say=lambda text: None)
    text = path.read_text()
    assert size == path.stat().st_size == len(text.encode())
    return text


def data_of(page: str) -> dict[str, Any]:
    (inlined,) = [
        text for each, text in Elements(page).of("script") if each.get("id") == "nas-data"
    ]
    text = gzip.decompress(base64.b64decode(inlined, validate=True))
    found: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return found


def test_it_loads_nothing(page: str) -> None:
    elements = Elements(page)
    for tag, attributes, _ in elements.found:
        for name in ("src", "srcset", "data", "action", "background", "poster"):
            assert name not in attributes, (tag, attributes)
        assert tag in ("a", "link") or "href" not in attributes
        assert not any(name.startswith("on") for name in attributes)
    assert [attributes["href"] for attributes, _ in elements.of("link")] == ["data:,"]
    (style,) = (text for _, text in elements.of("style"))
    assert "@import" not in style
    assert "url(" not in style


def test_its_policy_lets_its_own_scripts_run_and_nothing_else(page: str) -> None:
    elements = Elements(page)
    (policy,) = [
        str(each["content"])
        for each, _ in elements.of("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    scripts = [text for each, text in elements.of("script") if each.get("id") != "nas-data"]
    assert len(scripts) == 1 + len(page_files.FIRST + page_files.SCRIPTS)
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in scripts
    ]
    assert rules["script-src"].split() == hashes
    assert rules["default-src"] == "'none'"
    assert "connect-src" not in rules  # so that default-src forbids every connection
    assert rules["img-src"] == "data: blob:"
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    # A policy counts for what stands behind it alone.
    assert page.index("Content-Security-Policy") < page.index("<script")


def test_it_holds_what_the_server_would_answer(page: str, run: Run) -> None:
    data = data_of(page)
    expected = json.loads(json.dumps(whole(run)))
    (told,) = data["runs"]
    assert sorted(told["trials"], key=lambda trial: int(trial["n"])) == expected["trials"]
    published = told["head"]["published"]  # the server answers for them by themselves
    assert {each["name"] for each in published} == set(run.space().published)
    assert told["head"] | {"published": []} == expected["head"]
    assert told["progress"] == expected["progress"]
    details = data["details"][NAME]
    for trial in expected["trials"]:
        if trial["p"]:
            assert details[str(trial["n"])]["key"] == trial["key"]
    assert data["importances"][NAME]["of"]["of"] == 5


def test_configs_of_the_front_are_kept(page: str, tmp_path: Path) -> None:
    texts = data_of(page)["configs"][NAME]
    assert texts
    for name, text in texts.items():
        assert re.fullmatch(r"\d+:\d+", name)
        (tmp_path / "network.yaml").write_text(text)
        assert main(["describe", str(tmp_path / "network.yaml")]) == 0


def test_no_text_of_a_run_ends_its_element(page: str) -> None:
    data = data_of(page)
    assert data["runs"][0]["head"]["id"] == NAME
    assert BREAKING in [trial["error"] for trial in data["runs"][0]["trials"]]
    inlined = page.split('id="nas-data">')[1].split("</script>")[0]
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", inlined)
    elements = Elements(page)
    assert not elements.of("img")
    assert not [text for _, text in elements.of("script") if text.startswith("alert")]


def test_room_bounds_what_is_kept_beside_the_front(
    page: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "ROOM", 0)
    report.write([run], tmp_path / "small.html", say=lambda text: None)
    small, large = data_of((tmp_path / "small.html").read_text()), data_of(page)
    front = {name.split(":")[0] for name in large["configs"][NAME]}
    assert set(small["details"][NAME]) == front
    assert front < set(large["details"][NAME])
    assert small["runs"][0]["trials"] == large["runs"][0]["trials"]


def test_a_trial_whose_answers_are_gone_stops_no_report(run: Run, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / run.name
    shutil.copytree(run.path, copy)
    first = next((copy / "facts").iterdir())
    first.write_bytes(b"damaged")
    report.write([open_run(copy)], tmp_path / "report.html", say=lambda text: None)
    trials = data_of((tmp_path / "report.html").read_text())["runs"][0]["trials"]
    assert sum(first.name in (trial["error"] or "") for trial in trials) == 1


def test_a_file_is_replaced_by_force_alone(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("there")
    with pytest.raises(UserError, match="--force"):
        report.write([run], path)
    assert path.read_text() == "there"
    assert main(["report", str(run.path), "-o", str(path), "--force"]) == 0
    assert data_of(path.read_text())["runs"]


def test_runs_of_one_name_stand_side_by_side(run: Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.path, tmp_path / run.name)
    report.write(
        [run, open_run(tmp_path / run.name), run], tmp_path / "two.html", say=lambda _: None
    )
    runs = data_of((tmp_path / "two.html").read_text())["runs"]
    assert [each["head"]["id"] for each in runs] == [NAME, f"{NAME} (2)"]
