"""All commands, watched once for several tests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.security import sleeper

ROOT = Path(__file__).parents[2]


FEW = 8
"""Commands that need no torch but to search; the others are for the long form."""


@pytest.fixture(
    scope="session",
    params=[pytest.param(FEW, id="few"), pytest.param(0, id="all", marks=pytest.mark.slow)],
)
def watched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What commands did, with a package installed that nobody names."""
    folder = tmp_path_factory.mktemp("watched")
    sleeper.install(folder / "site", folder / "woken")
    (folder / "runs").mkdir()
    path = os.pathsep.join([str(ROOT), str(folder / "site")])
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.security.watched_commands"),
            *(str(folder / "runs"), "inline", str(request.param), str(folder / "seen.json")),
        ],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    seen: dict[str, Any] = json.loads((folder / "seen.json").read_text())
    return seen | {"woken": (folder / "woken").exists(), "said": done.stdout}
