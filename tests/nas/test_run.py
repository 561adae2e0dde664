import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nas import run as runs
from nas.errors import UserError
from nas.run import Run, create, open_run
from nas.settings import parse

LATENCY = {"runtime": "macs", "device": "simulated", "target_ms": 2.0, "found": "given"}
HOLD = """
import sys
from nas.run import open_run
with open_run(sys.argv[1]).driving():
    print("held", flush=True)
    sys.stdin.read()
"""


def made(out: Path, **options: object) -> Run:
    return create(parse({"out": str(out), **options}), LATENCY)


def test_a_run_is_found_by_path_and_by_name(tmp_path: Path) -> None:
    run = made(tmp_path, name="one", trials=7)
    for found in (open_run(run.path), open_run("one", tmp_path)):
        assert (found.path, found.settings, found.latency) == (run.path, run.settings, LATENCY)
    assert run.settings.name == run.name == "one"
    assert run.target_ms == 2.0


def test_a_name_is_used_once(tmp_path: Path) -> None:
    made(tmp_path, name="one")
    with pytest.raises(UserError, match="exists; go on with 'nas resume one'") as caught:
        made(tmp_path, name="one")
    assert "\n" not in str(caught.value)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="exists and is not a run"):
        made(tmp_path, name="one")
    assert [file.name for file in (tmp_path / "one").iterdir()] == ["thesis.txt"]


def test_without_a_name_runs_are_numbered(tmp_path: Path) -> None:
    names = [made(tmp_path, data="my images/cats & dogs").name for _ in range(3)]
    assert names == ["msd-cats---dogs-surrogate" + end for end in ("", "-2", "-3")]
    assert [run.name for run in runs.runs(tmp_path)] == sorted(names)


def test_no_run_and_a_damaged_one_are_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run 'nowhere'"):
        open_run("nowhere", tmp_path)
    run = made(tmp_path, name="one")
    (run.path / "latency.json").write_text("{")
    with pytest.raises(UserError, match=r"latency.json is missing or damaged"):
        open_run(run.path)


def test_a_storage_address_is_for_its_owner_only(tmp_path: Path) -> None:
    secret = made(tmp_path, name="pg", storage="postgresql://me:pw@host/nas")
    assert stat.S_IMODE((secret.path / "search.yaml").stat().st_mode) == 0o600
    assert secret.storage_url == "postgresql://me:pw@host/nas"


def test_latency_json_is_written_as_given(tmp_path: Path) -> None:
    assert json.loads((made(tmp_path).path / "latency.json").read_text()) == LATENCY


def test_the_second_driver_is_refused_and_told_who_drives(tmp_path: Path) -> None:
    run = made(tmp_path, name="one")
    with (
        run.driving(),
        pytest.raises(UserError, match=f"process {os.getpid()} on {socket.gethostname()}"),
        open_run(run.path).driving(),
    ):
        pytest.fail("two drivers")
    with run.driving():
        pass


def test_the_lock_is_free_once_its_holder_is_killed(tmp_path: Path) -> None:
    run = made(tmp_path, name="one")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"process {holder.pid} on "), run.driving():
            pytest.fail("two drivers")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with run.driving():
        pass
