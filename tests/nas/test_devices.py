"""Devices of this host: what is listed, and what ``--device`` makes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from latency.errors import LatencyError
from latency.measuring import Measuring
from nas import plugins
from nas.errors import UserError
from nas.latency import devices
from tests.nas import paced_runtime

ADB = """\
* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
39161FDJH00AAA         device usb:1-1 product:panther model:Pixel_7 device:panther transport_id:1
emulator-5554          offline
0123456789ABCDEF       unauthorized usb:1-2 transport_id:3
192.168.1.7:5555       no permissions (missing udev rules? user is in the plugdev group)

"""


def test_this_cpu_tells_what_runs_on_it_and_why_other_things_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    row = devices.cpu()
    assert {"torch", "macs"} <= set(row.runtimes.made)
    missing = dict(row.runtimes.missing)
    assert "not installed" in missing["onnxruntime"]
    assert row.use == "--device cpu"
    assert json.loads(json.dumps(row.to_json()))["missing"] == missing


def test_cuda_devices_tell_how_full_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import cuda

    monkeypatch.setattr(cuda, "device_count", lambda: 2)
    monkeypatch.setattr(cuda, "mem_get_info", lambda index: ((99, 40)[index], 100))
    monkeypatch.setattr(cuda, "get_device_name", lambda index: f"GPU {index}")
    found = [(row.device, row.what, row.state, row.use) for row in devices.cuda()]
    assert found == [
        ("cuda", "GPU 0", "free", "--device cuda"),
        ("cuda:1", "GPU 1", "busy: 60% of its memory is in use", "--device cuda:1"),
    ]


def test_what_adb_sees() -> None:
    phone, offline, unauthorized, denied = devices.parsed_adb(ADB)
    assert (phone.device, phone.what, phone.state) == (
        "adb 39161FDJH00AAA", "Android, Pixel 7", "free",
    )  # fmt: skip
    assert phone.use == "a device file with reach: adb and serial: 39161FDJH00AAA"
    assert offline.state == "not ready: adb says offline"
    assert unauthorized.state.startswith("not ready: adb says unauthorized")
    assert denied.state.startswith("not ready: adb says no permissions")


@pytest.mark.parametrize(
    ("script", "said"),
    [("sleep 30", "unknown: "), ("exit 3", "unknown: "), (f"cat <<'E'\n{ADB}E", "free")],
)
def test_adb_is_asked_and_not_waited_for(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adb").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(devices, "ADB_S", 0.5)
    assert devices.adb()[0].state.startswith(said)


def test_without_adb_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert devices.adb() == []


def test_a_device_file_that_is_wrong_is_a_row_all_the_same(tmp_path: Path) -> None:
    row = devices.of_file(str(tmp_path / "phone.yaml"))
    assert row.state.startswith("unusable: ")
    assert "\n" not in row.state


def test_a_device_file_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert devices.absolute("phone.yaml") == str(tmp_path / "phone.yaml")
    for other in ("cpu", "cuda:1", "ray:pi5"):
        assert devices.absolute(other) == other


def test_sources_and_benches_are_made_by_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert devices.source("macs").name == "macs"
    assert devices.bench("torch").device == "cpu"
    with pytest.raises(LatencyError, match="simulated by a law"):
        devices.bench("macs")
    with pytest.raises(LatencyError, match="no device 'fridge'"):
        devices.source("torch", "fridge")
    with pytest.raises(UserError, match="device 'ray:pi5' needs --ray-address"):
        devices.bench("torch", "ray:pi5")
    paced_runtime.install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert devices.bench("paced", str(tmp_path)).name == "paced"
    assert isinstance(plugins.runtime("paced", str(tmp_path)), Measuring)


def test_the_room_is_light_until_it_is_entered() -> None:
    code = (
        "import sys, nas.latency.devices\n"
        "try: nas.latency.devices.bench('torch', 'ray:pi5')\n"
        "except ValueError: pass\n"
        "print(*{'torch', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
