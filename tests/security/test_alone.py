"""A search, its page and its export without a network, by a user who owns next to nothing."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.security.conftest import ROOT

NOBODY = 65534
LOCAL = {"127.0.0.1", "::1", "localhost"}
LOOKED_FOR = {"8.8.8.8", "2001:4860:4860::8888"}
"""Ray asks the kernel by which way it would reach these, to learn its own address; nothing is sent
to them, and without a network there is no way."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A short folder that everybody can enter: pytest's own are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="nas-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _needed() -> None:
    """Fail, and say what is missing, where this machine cannot be such a place."""
    for program in ("unshare", "mount"):
        assert shutil.which(program), f"this test needs the program {program} (util-linux)"
    tried = subprocess.run(
        ["unshare", *_namespaces(), "true"], capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, (
        f"this test needs the right to make namespaces, as root or where users may: {tried.stderr}"
    )


def _namespaces() -> list[str]:
    as_root = os.geteuid() == 0
    return ["--net", "--mount"] if as_root else ["--user", "--map-root-user", "--net", "--mount"]


def alone(place: Path, executor: str, count: int) -> dict[str, Any]:
    """Run commands there; what they were seen to do."""
    _needed()
    home, runs, temporary = place / "home", place / "runs", place / "tmp"
    for folder in (home, runs, temporary):
        folder.mkdir()
    user = NOBODY if os.geteuid() == 0 else 0  # of the namespace, in which the caller is root
    if os.geteuid() == 0:
        for folder in (runs, temporary):
            os.chown(folder, NOBODY, NOBODY)
    home.chmod(0o555)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [
            *("unshare", *_namespaces(), sys.executable, str(ROOT / "tests/security/alone.py")),
            *(str(user), sys.executable, "-m", "tests.security.watched_commands"),
            *(str(runs), executor, str(count), str(runs / "seen.json")),
        ],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert list(home.iterdir()) == []
    seen: dict[str, Any] = json.loads((runs / "seen.json").read_text())
    assert seen["user"] == user
    assert not seen["home"] or user == 0
    assert {each["code"] for each in seen["commands"]} == {0}, done.stderr[-4000:]
    return seen


def spoken(seen: dict[str, Any]) -> set[str]:
    return {host for each in seen["commands"] for _, host in each["heard"]}


@pytest.mark.parametrize(
    "count", [pytest.param(4, id="few"), pytest.param(0, id="all", marks=pytest.mark.slow)]
)
def test_a_search_and_its_page_need_no_network_and_no_home(place: Path, count: int) -> None:
    seen = alone(place, "inline", count)
    assert [each["command"][0] for each in seen["commands"]][:4] == [
        *("spaces", "spaces", "search", "resume")
    ]
    assert seen["commands"][-1]["command"] == ["dashboard"]
    assert spoken(seen) <= LOCAL
    assert (place / "runs" / "one" / "study.db").stat().st_size > 0
    assert count or (place / "runs" / "onnx" / "stage1.onnx").is_file()


@pytest.mark.slow
def test_a_search_on_ray_needs_no_network_and_no_home(place: Path) -> None:
    seen = alone(place, "ray", 4)
    assert spoken(seen) <= LOCAL | LOOKED_FOR
    for each in seen["commands"]:
        assert {host for host, _ in each["listened"]} <= {"127.0.0.1", "0.0.0.0", "::"}
