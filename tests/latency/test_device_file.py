"""A device file is read strictly; each mistake is one line with the file, the field, the remedy."""

import re

import pytest

from latency.errors import LatencyError
from latency.remote import device_file, open_device
from latency.runtimes.runtime import Runtime
from tests.docs.fences import ROOT, fences

PHONE = """\
name: pixel-8
reach: adb
serial: 2A041FDH
folder: /data/local/tmp/nas
graph: tflite
command: taskset {cores} ./benchmark_model --graph={graph} --num_threads={threads}
cores: "f0"
"""

BOARD = """\
name: board
reach: ssh
host: pi@board
folder: /home/pi/nas
graph: onnx
command: ./onnxruntime_perf_test -I -s -m times -r {repeats} -x {threads} {graph}
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "phone.yaml"
        path.write_text(text)
        return path

    return write


def test_a_phone_and_a_board_are_described(write):
    phone = device_file.load(write(PHONE))
    assert (phone.serial, phone.cores, phone.threads, phone.timeout_s) == ("2A041FDH", "f0", 1, 120)
    assert "whole microseconds" in phone.figures().statistic
    assert "least" in device_file.load(write(BOARD)).figures().statistic


@pytest.mark.parametrize("name", ["phone.yaml", "board.yaml"])
def test_the_files_of_the_manual_are_right(write, name):
    shown = [fence for fence in fences(ROOT / "docs" / "phone.md") if fence.file == name]
    assert device_file.load(write(shown[0].text)).reach in ("adb", "ssh")


@pytest.mark.parametrize(("text", "name"), [(PHONE, "litert"), (BOARD, "onnxruntime")])
def test_a_device_is_opened_without_a_connection(write, text, name):
    runtime = open_device(write(text))
    assert isinstance(runtime, Runtime)
    assert (runtime.name, runtime.shares_host) == (name, False)
    assert runtime.device == device_file.load(write(text)).name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("adb", "usb"), "reach: should be 'adb', 'ssh' or 'local', not 'usb'"),
        (("serial: 2A041FDH\n", ""), "serial: must be given with reach: adb"),
        (("serial", "host"), "serial: must be given with reach: adb"),
        (("serial:", "host: pi@board\nserial:"), "host: must not be given with reach: adb"),
        (("serial: 2A041FDH", "serial: -x"), "serial: should match"),
        (('"f0"', "70"), "cores: should be a valid string, not 70 (put it in quotes)"),
        (('cores: "f0"\n', ""), "cores: give it if the command names {cores}, and only then"),
        (("/data", "data"), "folder: should match pattern"),
        (("tflite", "pth"), "graph: should be 'tflite' or 'onnx', not 'pth'"),
        (("{threads}", "{thread}"), "command: in braces may stand {graph}, {threads}"),
        (("{threads}", "${X"), "braces of the shell are doubled"),
        (("{graph}", "x.tflite"), "command: must name {graph}"),
        (("name: pixel-8\n", ""), "the field 'name' is missing"),
        (("name: pixel-8", "name: my phone"), "name: should match pattern"),
        (("cores:", "thread: 2\ncores:"), "unknown field 'thread': choose from name, reach"),
        (("cores:", "threads: 0\ncores:"), "threads: should be greater than or equal to 1, not 0"),
        (("cores:", "timeout_s: 0\ncores:"), "timeout_s: should be greater than 0, not 0"),
        (("cores:", "output: json\ncores:"), "output: should be 'benchmark_model'"),
        (("cores:", "milliseconds: '(?P<ms>'\ncores:"), "milliseconds: is no regular expression"),
        (("cores:", "milliseconds: avg\ncores:"), "milliseconds: needs one group named s, ms"),
        (
            ("cores:", "milliseconds: (?P<ms>1)\noutput: lines\ncores:"),
            "milliseconds: give either it or output",
        ),
        ((PHONE, "pixel"), "must hold lines 'field: value'"),
        ((PHONE, "a: [1"), "line 1: expected"),
    ],
)
def test_a_mistake_is_one_line_with_the_file_and_what_is_right(write, change, said):
    path = write(PHONE.replace(*change, 1))
    with pytest.raises(LatencyError, match=re.escape(said)) as caught:
        device_file.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LatencyError, match=r"gone\.yaml: no such file"):
        open_device(tmp_path / "gone.yaml")
