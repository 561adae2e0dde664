"""Ray as a process meets it first: each test in a process of its own."""

import socket
import subprocess
import sys
from pathlib import Path

ALREADY = """
import os, ray
from nas.errors import UserError
from nas.executors.ray_session import Session
try:
    Session(1, None)
except UserError as error:
    print(error)
print(ray.is_initialized())
"""
TWICE = """
import os
RAYS_OWN = {"RAY_CLIENT_MODE", "PYTHONBREAKPOINT"}  # set by whoever starts Ray
def environment():
    return {name: value for name, value in os.environ.items() if name not in RAYS_OWN}
before = environment()
from nas.executors.ray_session import Session
for _ in range(2):
    session = Session(1, None)
    print(os.environ["RAY_AUTH_MODE"])
    session.close()
    session.close()
    print(environment() == before)
"""


def said(code: str) -> list[str]:
    run = [sys.executable, "-c", code]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_ray_imported_before_it_could_be_closed_to_others_is_refused() -> None:
    refused, running = said(ALREADY)
    assert refused.startswith("ray was imported before the search could close it to other users")
    assert running == "False"


def test_the_environment_is_put_back_and_a_second_session_is_closed_to_others() -> None:
    assert said(TWICE) == ["token", "True", "token", "True"]


def test_nobody_at_the_address_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        options = ["--runtime", "macs", "--ray-address", address, "--out", str(tmp_path)]
        code = (
            f"import sys; from nas.cli.main import main; sys.exit(main({['search', *options]!r}))"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 2
    (line,) = [line for line in run.stderr.splitlines() if "error" in line]
    assert line.startswith(f"error: no Ray at {address} (")
    assert not list(tmp_path.iterdir())
