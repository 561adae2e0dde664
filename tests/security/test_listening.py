"""Who can reach what runs here: a search in its own process and a page speak to this machine alone.

Ray's ports are open on all interfaces whatever one asks of it; there the token is what counts.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.security import sockets
from tests.security.conftest import ROOT

LOCAL = {"127.0.0.1", "::1", "localhost"}

SESSION = """
import json, os, stat, sys
from pathlib import Path
from nas.executors.ray_session import Session
from tests.security import sockets
session = Session(1, None)
import ray
seen = {}
for path in session._folder.rglob("*"):
    seen[str(path)] = stat.S_IMODE(path.lstat().st_mode)
tokens = [str(path) for path in Path.home().glob(".ray/auth_token")]
seen = {
    "folder": stat.S_IMODE(session._folder.stat().st_mode),
    "above": [str(path) for path in Path("/tmp").glob("ray") if path.stat().st_uid == os.getuid()],
    "tokens": tokens,
    "mode": os.environ["RAY_AUTH_MODE"],
    "token": len(os.environ["RAY_AUTH_TOKEN"]),
    "address": ray.get_runtime_context().gcs_address,
    "listens": sorted(sockets.listening(sockets.tree(os.getpid()))),
    "arguments": [
        (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\\0", b" ").decode()
        for pid in sockets.tree(os.getpid())
    ],
    "secret": os.environ["RAY_AUTH_TOKEN"],
}
print(json.dumps(seen), flush=True)
sys.stdin.readline()
session.close()
"""
CLIENT = """
import ray, sys
try:
    ray.init(address=sys.argv[1], log_to_driver=False)
    print("IN", len(ray.nodes()))
except Exception as error:
    print("REFUSED", type(error).__name__, str(error).splitlines()[0][:200])
"""


def test_every_command_is_known_and_ends_well(watched: dict[str, Any]) -> None:
    codes = {" ".join(each["command"][:3]): each["code"] for each in watched["commands"]}
    assert set(codes.values()) == {0}, codes
    assert min(watched["commands"][-1]["sizes"]) > 100


def test_no_command_listens_for_other_machines(watched: dict[str, Any]) -> None:
    for each in watched["commands"]:
        listened = {(host, port) for host, port in each["listened"]}
        assert sockets.foreign(listened) == set(), each["command"]
        if each["command"][0] != "dashboard":
            assert listened == set(), each["command"]
    (one,) = watched["commands"][-1]["listened"]  # the page's own
    assert one[0] == "127.0.0.1"


def test_no_command_speaks_to_other_machines(watched: dict[str, Any]) -> None:
    for each in watched["commands"]:
        assert {host for _, host in each["heard"]} <= LOCAL, each["command"]


def test_a_listener_on_all_interfaces_would_be_seen() -> None:
    import socket

    for host in ("0.0.0.0", "127.0.0.1", "::"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as listening:
            listening.bind((host, 0))
            listening.listen()
            found = sockets.listening([os.getpid()])
            assert (host, listening.getsockname()[1]) in found
            assert bool(sockets.foreign(found)) == (host != "127.0.0.1")


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a session of ours says of itself; it goes on until the tests are over."""
    home = tmp_path_factory.mktemp("home")
    process = subprocess.Popen(
        [sys.executable, "-c", SESSION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(HOME=str(home)),
        cwd=ROOT,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(process.communicate()[1])
    yield json.loads(line)
    process.communicate("\n", timeout=60)


@pytest.mark.slow
def test_ray_s_folder_is_private_and_its_token_is_in_no_file(session: dict[str, Any]) -> None:
    assert session["folder"] == 0o700
    assert session["above"] == []  # Ray's own default place, which it opens to everybody
    assert session["tokens"] == []
    assert (session["mode"], session["token"]) == ("token", 64)
    assert not any(session["secret"] in each for each in session["arguments"])  # as `ps` shows


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"RAY_AUTH_MODE": "disabled"},
        {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64},
    ],
    ids=["nothing", "disabled", "another token"],
)
def test_a_client_without_the_token_is_refused(
    session: dict[str, Any], given: dict[str, str], tmp_path: Any
) -> None:
    done = _client(session, given | {"HOME": str(tmp_path)})
    assert "IN" not in done.split(), done
    assert done.startswith("REFUSED") or not done, done


@pytest.mark.slow
def test_a_client_with_the_token_gets_in(session: dict[str, Any]) -> None:
    """Otherwise the test above could not fail."""
    known = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": session["secret"]}
    assert _client(session, known).startswith("IN 1")


def _client(session: dict[str, Any], given: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, session["address"]],
        capture_output=True,
        text=True,
        env=_environment(**given),
        timeout=180,
    )
    return done.stdout
