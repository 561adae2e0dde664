"""The page's server: every route, who is refused, and how the command starts and ends."""

import hashlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient

from nas.cli.main import main
from nas.dashboard import page_files, server
from nas.dashboard.hub import Hub
from nas.run import SETTINGS, Run, open_run
from tests.nas.searched_run import HOSTILE
from tests.nas.simulated_search import drive, simulated_run
from tests.nas.watched import study_of, whole

HERE = "http://127.0.0.1:8787"


@contextmanager
def client_of(folder: Path) -> Iterator[TestClient]:
    """A client of the app over a folder, once all is read."""
    hub = Hub([], folder)
    app = server.Server(hub).app()
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        expected = len(list(folder.glob(f"*/{SETTINGS}")))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            told = [hub.document(head["id"])["progress"]["reading"] for head in hub.heads()]
            if len(told) == expected and all(each["done"] == each["total"] > 0 for each in told):
                break
            time.sleep(0.05)
        yield client


@pytest.fixture(scope="module")
def client(results: Path) -> Iterator[TestClient]:
    with client_of(results) as found:
        yield found


def of(name: str) -> str:
    return f"/api/runs/{quote(name, safe='')}"


def refuse(text: str) -> None:
    raise AssertionError(f"{text} is no JSON number")


def strict(answer: httpx.Response) -> Any:
    """The JSON of an answer; NaN and infinities are refused."""
    assert answer.headers["content-type"] == "application/json"
    return json.loads(answer.text, parse_constant=refuse)


def guarded(answer: httpx.Response) -> None:
    """The headers that every answer has."""
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'none'"
    assert "http" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers


# Routes


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/plotly.min.js", "text/javascript"),
        ("/page/first.js", "text/javascript"),
        ("/page/rest.js", "text/javascript"),
        ("/page/style.css", "text/css"),
        ("/api/runs", "application/json"),
        (of("plain"), "application/json"),
        (of("plain") + "/trials/0", "application/json"),
        (of("plain") + "/trials/2", "application/json"),
        (of("plain") + "/trials/0/config?policy=0", "application/yaml"),
        (of("plain") + "/trials/0/config", "application/yaml"),
        (of("plain") + "/files/search.yaml", "application/yaml"),
        (of("plain") + "/files/facts/00000.npz", "application/"),
    ],
)
def test_every_route_answers_get_and_head(client: TestClient, path: str, kind: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(kind) or "yaml" in kind
    guarded(answer)
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    guarded(head)


def test_the_page_loads_all_of_its_parts_from_here(client: TestClient) -> None:
    page, first, rest = (client.get(path).text for path in ("/", "/page/first.js", "/page/rest.js"))
    assert "/page/first.js" in page
    assert "/page/rest.js" in first
    assert "/plotly.min.js" in first
    ours = {path.name for path in page_files.FOLDER.glob("*.js")}
    assert ours == {*page_files.FIRST, page_files.PREVIEW, *page_files.SCRIPTS}
    for name in ours:
        text = (page_files.FOLDER / name).read_text()
        assert (text in rest) == (name in page_files.SCRIPTS)
        assert (text in first) == (name not in page_files.SCRIPTS)
    assert "http://" not in page
    assert "https://" not in page


def test_a_run_is_told_as_it_is(client: TestClient, results: Path) -> None:
    heads = strict(client.get("/api/runs"))["runs"]
    assert [head["id"] for head in heads] == sorted(["plain", HOSTILE])
    told = strict(client.get(of("plain")))
    expected = json.loads(json.dumps(whole(open_run(results / "plain"))))
    assert sorted(told["trials"], key=lambda trial: int(trial["n"])) == expected["trials"]
    assert told["head"] == expected["head"]
    assert told["progress"] == expected["progress"]


def test_a_trial_in_full(client: TestClient, results: Path) -> None:
    detail = strict(client.get(of("plain") + "/trials/0"))
    record = open_run(results / "plain").records()[0]
    assert record.architecture is not None
    assert detail["key"] == record.architecture.key
    assert len(detail["exits"]) == record.measurement.held_out.exits  # type: ignore[union-attr]


def test_a_config_is_one_that_the_commands_read(client: TestClient, tmp_path: Path) -> None:
    file = tmp_path / "network.yaml"
    file.write_text(client.get(of("plain") + "/trials/0/config?policy=1").text)
    assert main(["describe", str(file)]) == 0


def test_importances_are_found_in_another_process(client: TestClient) -> None:
    told = strict(client.get(of("plain") + "/importances"))
    assert told["of"] == 5
    assert set(told["targets"]) == {"reward", "accuracy", "latency_ms"}


def test_a_hostile_name_is_but_a_name(client: TestClient) -> None:
    told = strict(client.get(of(HOSTILE)))
    assert told["head"]["id"] == HOSTILE
    assert any("<b>out of luck</b>" in (trial["error"] or "") for trial in told["trials"])
    assert strict(client.get(of(HOSTILE) + "/trials/0"))["trial"] == 0
    assert client.get(of(HOSTILE) + "/files/latency.json").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/nothing",
        "/api/runs/nothing",
        "/api/runs/nothing/trials/0",
        "/page/nothing.js",
        "/page/",
        of("plain") + "/trials/99",
        of("plain") + "/trials/99999999999999999999999999",
        of("plain") + "/trials/-1",
        of("plain") + "/trials/x",
        of("plain") + "/trials/0/config?policy=9999",
        of("plain") + "/trials/2/config?policy=0",
        of("plain") + "/files/nothing",
        of("plain") + "/files/",
    ],
)
def test_what_is_not_there_is_one_line(client: TestClient, path: str) -> None:
    answer = client.get(path)
    guarded(answer)
    if path.endswith("/trials/2/config?policy=0"):  # of a trial that failed: its network alone
        assert answer.status_code in (200, 404)
        return
    assert answer.status_code == 404
    error = strict(answer)["error"]
    assert error
    assert "\n" not in error


@pytest.mark.parametrize("policy", ["x", "-1", "1.5", "9" * 5000, "１"])
def test_a_policy_is_the_number_of_a_row(client: TestClient, policy: str) -> None:
    answer = client.get(of("plain") + "/trials/0/config", params={"policy": policy})
    assert answer.status_code == 400
    assert "policy" in strict(answer)["error"]


# Who is refused


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "127.0.0.1.evil.com",
        "evil.com:8787",
        "localhost.evil.com",
        "evil.com#127.0.0.1",
        "127.0.0.1:80@evil.com",
        "127.0.0.2",
        "0.0.0.0",
        "[::1]",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/runs", "/page/app.js"])
def test_a_foreign_host_is_refused(client: TestClient, host: str, path: str) -> None:
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 400
    assert "error" in strict(answer)
    guarded(answer)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8787", "localhost", "LOCALHOST:1"])
def test_this_machine_s_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/api/runs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/api/runs", "/api/runs/plain", "/page/app.js", "/nothing"])
def test_nothing_but_reading_is_allowed(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    guarded(answer)


@pytest.mark.parametrize("sheet", ["1.png", "77.png"])
def test_images_that_are_not_there_are_a_line_and_no_failed_request(
    client: TestClient, sheet: str
) -> None:
    answer = client.get(of("plain") + f"/trials/0/images/{sheet}")  # made-up answers have none
    guarded(answer)
    assert answer.status_code == 200
    assert "\n" not in strict(answer)["error"]


def test_a_mistake_of_ours_is_guarded_too(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any) -> None:
        raise ZeroDivisionError("ours, with <secrets>")

    monkeypatch.setattr("nas.dashboard.hub.Hub.document", broken)
    answer = client.get(of("plain"))
    assert answer.status_code == 500
    assert "secrets" not in strict(answer)["error"]
    guarded(answer)


PATHS = [
    "../../etc/passwd",
    "../hostile/search.yaml",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%2f..%2fetc%2fpasswd",
    "%252e%252e/secret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "facts/../../secret.txt",
    "link.txt",
    "linked/secret.txt",
    "facts",
    ".",
    "a%00b",
    "x" * 5000,
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("under", [of("plain") + "/files/", "/page/"])
def test_no_file_out_of_the_folder_is_handed_out(
    results: Path, client: TestClient, under: str, path: str
) -> None:
    secret = results / "secret.txt"
    secret.write_text("secret")
    for link, target in (("link.txt", secret), ("linked", results)):
        if not (results / "plain" / link).is_symlink():
            (results / "plain" / link).symlink_to(target)
    answer = raw(client, under + path)
    assert answer.status_code in (404, 405)
    guarded(answer)
    assert "secret" not in answer.text.replace("secret.txt", "")
    assert "root:" not in answer.text


def raw(client: TestClient, path: str) -> httpx.Response:
    """A path as it stands: clients would resolve its dots."""
    url = httpx.URL(HERE).copy_with(raw_path=path.encode())
    return client.send(client.build_request("GET", url))


def test_settings_with_a_password_are_not_handed_out(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "plain", tmp_path / "runs" / "plain", symlinks=True)
    settings = tmp_path / "runs" / "plain" / SETTINGS
    url = f"sqlite:///{settings.parent / 'study.db'}"
    settings.write_text(settings.read_text().replace("storage: null", f"storage: {url}"))
    settings.chmod(0o600)  # as `save_settings` does
    with client_of(tmp_path / "runs") as client:
        assert client.get(of("plain") + f"/files/{SETTINGS}").status_code == 404
        assert url not in client.get(of("plain")).text
        assert client.get(of("plain") + "/files/latency.json").status_code == 200


def test_nothing_of_a_run_is_changed(results: Path, client: TestClient) -> None:
    def prints() -> dict[Path, str]:
        files = [path for path in results.rglob("*") if path.is_file()]
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = prints()
    with client_of(results) as fresh:
        for name in ("plain", HOSTILE):
            for path in ("", "/files/study.db"):
                assert fresh.get(of(name) + path).status_code == 200
            for path in ("/importances", "/trials/0", "/trials/0/config"):  # by a process beside
                assert client.get(of(name) + path).status_code == 200
    assert prints() == before


def test_an_error_that_is_no_text_hides_no_run(tmp_path: Path) -> None:
    run = simulated_run(tmp_path, name="odd", trials=1)
    store = study_of(run)
    store.fail(store.start({}, {}, {}).number, {"error": "no file caf\udce9"})
    store.close()
    with client_of(tmp_path) as client:
        assert strict(client.get(of("odd")))["trials"][0]["error"] == "no file caf\udce9"


# Events


@contextmanager
def served(hub: Hub) -> Iterator[str]:
    """A server in a thread; its address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(server.Server(hub).app(), log_level="error")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        hub.dismiss()
        running.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Server-sent events, as a browser takes them apart."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "), parse_constant=refuse)


def test_the_first_trial_of_a_growing_run_is_told(tmp_path: Path) -> None:
    run = simulated_run(tmp_path, name="growing", trials=2)
    study_of(run)
    with (
        served(Hub([], tmp_path)) as address,
        httpx.stream("GET", address + "/api/events", timeout=60) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        guarded(stream)
        driven = threading.Thread(target=drive, args=(run,), kwargs={"images": 60})
        driven.start()
        seen: dict[int, str] = {}
        progress: dict[str, Any] = {}
        for name, value in events(stream.iter_lines()):
            if name == "trials":
                assert value["run"] == "growing"
                seen |= {trial["n"]: trial["state"] for trial in value["trials"]}
            if name == "progress":
                progress = value["progress"]
            if seen == {0: "complete", 1: "complete"} and progress.get("state") == "finished":
                break
        driven.join()
        assert httpx.head(address + "/api/events").status_code == 200


def test_a_listener_that_lags_too_far_is_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    monkeypatch.setattr("nas.dashboard.hub._MOST_WAITING", 3)

    async def told() -> list[str]:
        hub = Hub([], tmp_path)
        listening = hub.listen()
        first = await anext(listening)
        for number in range(9):
            hub._tell("progress", {"run": "x", "progress": number})
        await asyncio.sleep(0)
        return [first, *[message async for message in listening]]

    assert len(asyncio.run(told())) <= 1 + 3  # it ended: the page connects and loads anew


def test_a_run_is_shown_once_however_it_is_named(results: Path, tmp_path: Path) -> None:
    run: Run = open_run(results / "plain")
    again = open_run(os.path.relpath(results / "plain"))
    assert [head["id"] for head in Hub([run, again], None).heads()] == ["plain"]
