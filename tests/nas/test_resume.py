"""Drivers that die or are stopped, in processes of their own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas import plugins, searches
from nas.errors import UserError
from nas.run import open_run
from tests.nas import small_set
from tests.nas.small_msd import WHERE
from tests.nas.test_search_loop import CONTROLLERS, sequence
from tests.nas.test_search_whole import QUICK as DIGITS
from tests.nas.test_search_whole import searched

DRIVER = """
import json, sys
from tests.nas.small_msd import instead_of_msd
instead_of_msd()
import nas.searches
from nas.progress import on
try:
    nas.searches.search("msd", progress=on(sys.stderr), **json.loads(sys.argv[1]))
except nas.searches.Interrupted as stopped:
    print(stopped, file=sys.stderr)
    sys.exit(130)
"""
QUICK = {**DIGITS, "data": str(small_set.PATH)}
PATIENCE = 120  # seconds until a driver that does nothing fails its test


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)


@contextlib.contextmanager
def driver(out: Path, code: str = DRIVER, **options: Any) -> Iterator[subprocess.Popen[str]]:
    settings = {**QUICK, "out": str(out), "name": "run", **options}
    with subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_trials(run: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Returns once the held-out answers of `count` trials are there."""
    end = time.monotonic() + PATIENCE
    while len(list(run.glob("facts/[0-9]*.npz"))) < count:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "the driver does nothing"
        time.sleep(0.01)


def test_killed_and_resumed_gives_the_same_search(tmp_path: Path) -> None:
    options = {"controller": "reinforce", "trials": 7}
    with driver(tmp_path, **options) as process:
        wait_for_trials(tmp_path / "run", 3, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    cut = open_run("run", tmp_path)
    before = {r.trial: r for r in cut.records() if r.state == "complete"}
    assert 2 <= len(before) < 7
    searches.resume(cut)
    assert sequence(cut) == sequence(searched(tmp_path / "whole", **{**QUICK, **options}))
    for record in cut.records():
        if (known := before.get(record.trial)) is not None and known.measurement is not None:
            assert record.measurement is not None
            assert record.measurement.seconds == known.measurement.seconds, "trained again"


@pytest.mark.slow
@pytest.mark.parametrize("controller", CONTROLLERS)
def test_killed_again_and_again_every_controller_gives_the_same_search(
    tmp_path: Path, controller: str
) -> None:
    options = {"controller": controller, "trials": 24}
    with driver(tmp_path, **options) as process:
        wait_for_trials(tmp_path / "run", 4, process)
        process.kill()
    for seen in (9, 14, 19):
        code = DRIVER.replace(
            'search("msd", progress=on(sys.stderr), **json.loads(sys.argv[1]))',
            "resume(json.loads(sys.argv[1]))",
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(str(tmp_path / "run"))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as again:
            wait_for_trials(tmp_path / "run", seen, again)
            again.kill()
    cut = searches.resume(tmp_path / "run")
    assert sequence(cut) == sequence(searched(tmp_path / "whole", **{**QUICK, **options}))


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path: Path) -> None:
    with driver(tmp_path, controller="random", trials=500) as process:
        wait_for_trials(tmp_path / "run", 2, process)
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, error
    assert f"nas resume run --out {tmp_path}" in error
    assert said == ""
    states = [record.state for record in open_run("run", tmp_path).records()]
    assert states.count("complete") >= 2
    assert "failed" not in states
    with open_run("run", tmp_path).driving():
        pass


@pytest.mark.slow
def test_sigterm_with_ray_ends_like_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # Ray's workers know the real spaces only
    code = DRIVER.replace("instead_of_msd()\n", "")
    with driver(tmp_path, code, controller="random", executor="ray", epochs=100_000) as process:
        too_late = threading.Timer(PATIENCE, process.kill)
        too_late.start()
        assert process.stderr is not None
        assert any("training 0" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        said, error = process.communicate(timeout=PATIENCE)
        too_late.cancel()
    assert process.returncode == 130, error
    assert f"nas resume run --out {tmp_path}" in error
    assert said == ""
    assert {record.state for record in open_run("run", tmp_path).records()} == {"running"}


@pytest.mark.slow
def test_amid_a_long_trial_a_second_driver_is_refused_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    # It would train for hours: nothing but leaving it there ends the driver.
    with driver(tmp_path, controller="random", trials=2, epochs=100_000) as process:
        too_late = threading.Timer(PATIENCE, process.kill)
        too_late.start()
        assert process.stderr is not None
        assert any("training 0" in line for line in process.stderr)
        with pytest.raises(UserError, match=f"driven by process {process.pid} on {os.uname()[1]}"):
            searches.resume(tmp_path / "run")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        too_late.cancel()
    assert process.returncode == 130
    (record,) = open_run("run", tmp_path).records()
    assert record.state == "running"
