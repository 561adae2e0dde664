"""Nothing outside a run's folder is read for a page or written by a search, whatever is asked."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.testclient import TestClient

from nas import plugins
from nas.cli.main import main
from nas.dashboard import server
from nas.dashboard.hub import Hub
from tests.nas import small_msd
from tests.nas.simulated_search import drive, simulated_run

HERE = "http://127.0.0.1:8787"
SECRET = "7c1f-not-for-the-page"
ROUTES = (
    "/{}",
    "/page/{}",
    "/api/{}",
    "/api/runs/{}",
    "/api/runs/{}/importances",
    "/api/runs/{}/published",
    "/api/runs/{}/files/search.yaml",
    "/api/runs/{}/trials/0",
    "/api/runs/given/files/{}",
    "/api/runs/given/trials/{}",
    "/api/runs/given/trials/{}/config",
    "/api/runs/given/trials/0/config?policy={}",
    "/api/runs/given/trials/0/images/{}.png",
    "/api/runs/given/trials/0/images/{}",
)


def encodings(target: str) -> list[str]:
    """Ways to say ../../secret.txt, an absolute path, and a name with something behind it."""
    ups = [
        *("..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "%252e%252e", "%c0%ae%c0%ae", "..%00"),
        *(
            "%uff0e%uff0e",
            "..;",
            "....",
            "%e2%80%a5",
            "%ef%bc%8e%ef%bc%8e",
            "..%20",
            "%09..",
            ".%00.",
        ),
    ]
    slashes = ["/", "%2f", "%2F", "%252f", "\\", "%5c", "%c0%af", "//", "/./", "%ef%bc%8f"]
    said = [f"{up}/{up}/{target}" for up in ups]
    said += [f"..{slash}..{slash}{target}" for slash in slashes[1:]]
    said += [f"%2e%2e{slash}%2e%2e{slash}{target}" for slash in slashes]
    said += [f"facts/../../../{target}", f"facts/%2e%2e/%2e%2e/%2e%2e/{target}"]
    return list(dict.fromkeys(said))


def absolute(path: Path) -> list[str]:
    whole = str(path)
    return [
        *(whole, quote(whole, safe=""), f"/{whole}", f"file://{whole}", f"%2f{whole}"),
        *(whole.replace("/", "\\"), f"{whole}%00.png", f"~root{whole}"),
    ]


LINKS = ("link.txt", "linked/secret.txt", "facts/link.npz", "hard.txt/", "linked/")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a secret, and in it one of runs, some of which are links to the secret."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_text(f"{SECRET}: {SECRET}\n")
    folder = outside / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", small_msd.WHERE)
        run = simulated_run(folder, name="given", trials=2)
        drive(run, images=40)
        (run.path / "link.txt").symlink_to(outside / "secret.txt")
        (run.path / "linked").symlink_to(outside)
        (run.path / "facts" / "link.npz").symlink_to(outside / "secret.txt")
        for name in ("search.yaml", "latency.json", "facts/00000.npz", "front.json", "live.json"):
            copy = shutil.copytree(run.path, folder / name.replace("/", "-"), symlinks=True)
            (copy / name).unlink(missing_ok=True)
            (copy / name).symlink_to(outside / "secret.txt")
        yield folder


@pytest.fixture(scope="module")
def client(given: Path) -> Iterator[TestClient]:
    hub = Hub([], given)
    with TestClient(server.Server(hub).app(), base_url=HERE, raise_server_exceptions=False) as made:
        deadline = time.monotonic() + 60
        while hub.knows("given") is False or not hub.document("given")["trials"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield made


def asked(client: TestClient, path: str) -> httpx.Response:
    """The answer to a path as it stands: clients would resolve its dots."""
    raw = path.encode()
    url = httpx.URL(HERE).copy_with(raw_path=raw)
    return client.send(client.build_request("GET", url))


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_hands_out_what_lies_outside(client: TestClient, given: Path, route: str) -> None:
    targets = [*encodings("secret.txt"), *absolute(given.parent / "secret.txt"), *LINKS]
    assert len(targets) >= 40
    for target in targets:
        answer = asked(client, route.format(target))
        assert SECRET not in answer.text, target
        assert SECRET not in str(answer.headers), target
        assert answer.status_code in (200, 400, 404), (target, answer.status_code)
        if answer.status_code == 200:  # a path that is one of the page's own, or no file at all
            assert "/files/" not in route, target


def test_what_a_link_stands_for_is_shown_nowhere(client: TestClient, given: Path) -> None:
    told = client.get("/api/runs").json()
    for name in ("search.yaml", "latency.json", "front.json", "live.json"):
        assert "is a link" in told["refused"][name]
    names = [head["id"] for head in told["runs"]]
    assert names == ["facts-00000.npz", "given"]
    for name in names:
        for path in ("", "/files/link.txt", "/files/facts/link.npz"):
            assert SECRET not in client.get(f"/api/runs/{name}{path}").text


@pytest.mark.parametrize("command", ["status", "trials", "pareto", "resume"])
def test_no_command_tells_what_a_link_stands_for(
    given: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("search.yaml", "latency.json", "front.json", "live.json"):
        assert main([command, str(given / name)]) == 2
        out, err = capsys.readouterr()
        assert "is a link" in err
        assert SECRET not in out + err


# What is written


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Nothing in the folder is changed inside."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    yield
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["driver.lock", "weights", "facts", "study.db", "live.json"])
def test_a_search_writes_through_no_link(
    given: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(given / "given", tmp_path / "runs" / "given", symlinks=True)
    outside = tmp_path / "outside"
    if (run / name).is_dir():
        shutil.move(run / name, outside)
        (outside / "mine.safetensors").write_bytes(b"mine")
    else:
        outside.mkdir()
        if name == "study.db":
            shutil.copy(run / name, outside / "file")
        else:
            (outside / "file").write_text("mine")
        (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(
        outside if (outside / "mine.safetensors").exists() else outside / "file"
    )
    with untouched(outside):
        assert main(["resume", str(run), "--trials", "+1"]) == 2
    assert "is a link" in capsys.readouterr().err


def test_files_are_put_in_the_place_of_links(tmp_path: Path) -> None:
    from nas import atomic

    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    atomic.write(tmp_path / "link", b"theirs")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "link").is_symlink()
