"""Stages are timed by a command on a device, which is left as it was, whatever happens."""

import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from latency.bench import DeviceLost, LocalBench
from latency.errors import LatencyError
from latency.graphs.onnx_stages import write_stages
from latency.protocol import Protocol, Visit
from latency.remote import shell
from latency.remote.command_runtime import WRITERS, CommandRuntime, Place, Staged, connect
from latency.remote.device_file import DeviceFile
from latency.runtimes.building import build, run
from latency.runtimes.runtime import Piece, Runtime
from tests.latency.stand_ins import ADB, SSH, TIMER, install

PRINTED = "count=1 curr=9\ncount={repeats} first=7 curr=6 min=1500 max=7 avg=6 std=1"
REACHES = {"adb": {"serial": "STANDIN"}, "ssh": {"host": "pi@board"}, "local": {}}


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder at the head of the PATH with the stand-ins; nothing waits before trying again."""
    folder = install(tmp_path / "bin", adb=ADB, ssh=SSH)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(shell, "PAUSE_S", 0.0)
    return folder


@pytest.fixture
def phone(tmp_path):
    """The folder on the device; its name needs quotes."""
    folder = tmp_path / "it's a phone"
    folder.mkdir()
    return folder


@pytest.fixture
def stages(tmp_path):
    """Makes staged files of given contents."""

    def make(*contents):
        folder = tmp_path / "stages"
        folder.mkdir(exist_ok=True)
        paths = [folder / f"stage{index}.onnx" for index in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content)
        return paths

    return make


def described(phone, reach="local", command=f"cat {{graph}}; echo '{PRINTED}'", **fields):
    given = {"output": "benchmark_model", **REACHES[reach], **fields}
    return DeviceFile(
        name="stand-in", reach=reach, folder=str(phone), graph="onnx", command=command, **given
    )


def staged(device, files):
    link = connect(device)
    return Staged(device, link, Place(link, device.folder), files)


def files_on(phone):
    return sorted(path.name for path in phone.rglob("*") if path.is_file())


def ends(pid):
    """Wait for the end of the process whose number a file holds."""
    status = Path("/proc") / pid.read_text().strip() / "status"
    for _ in range(100):
        try:
            if "State:\tZ" in status.read_text():
                return True
        except OSError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("reach", REACHES)
def test_files_are_copied_timed_and_removed(programs, phone, stages, reach):
    item = staged(described(phone, reach), stages("one\n", "two\n", "one\n"))
    assert item.parts == (1, 1, 1)
    assert len(files_on(phone)) == 2, "equal stages are copied once"
    assert item.visit(Visit(1, 4)) == [[1.5, 1.5, 1.5]]
    assert item.visit(Visit(1, 4), stages=1) == [[1.5]]
    assert item.run(2) == [1.5, 1.5]
    item.close()
    assert list(phone.iterdir()) == []


def test_the_command_gets_what_its_file_and_the_visit_say(programs, phone, stages):
    command = "echo {threads} {cores} {warm_up} {repeats} ${{HOME:+x}} >> log; echo 1.5; echo 2"
    device = described(phone, command=f"{command} # {{graph}}", cores="f0", threads=4)
    device = device.model_copy(update={"output": "lines"})
    item = staged(device, stages("one"))
    assert item.visit(Visit(3, 2)) == [[1.5], [2.0]]
    assert (phone / "log").read_text() == "4 f0 3 2 x\n"


def test_a_network_is_timed_stage_by_stage(programs, phone, graph):
    install(phone, timer=TIMER)
    command = "./timer {graph} {warm_up} {repeats}"
    runtime = CommandRuntime(described(phone, "adb", command, output="lines"))
    assert isinstance(runtime, Runtime)
    item = runtime.prepare(Piece.network(graph), seed=0)
    rows = np.array(item.visit(Visit(1, 2)))
    assert rows.shape == (2, 3)
    assert (rows > 0).all()
    item.close()
    assert files_on(phone) == ["timer"]


def test_networks_and_blocks_are_measured_together_on_a_bench(programs, phone, graph):
    command = f"cat {{graph}} >/dev/null; echo '{PRINTED}'"
    bench = LocalBench(CommandRuntime(described(phone, "adb", command)))
    node = graph.nodes[0]
    pieces = [Piece.network(graph), Piece.block(node.spec, (graph.image,), graph.norm)]
    batch = bench.measure(pieces, 0, Protocol(rounds=2, most_rounds=2))
    assert [taken.shape for taken in batch.taken.samples] == [(2, 1, 3), (2, 1, 1)]
    assert bench.fingerprint()["host"]["kernel"] == os.uname().release
    assert list(phone.iterdir()) == []


@pytest.mark.parametrize("graph_format", WRITERS)
def test_each_format_is_written_and_copied(programs, phone, graph, graph_format):
    device = described(phone).model_copy(update={"graph": graph_format})
    item = CommandRuntime(device).prepare(Piece.network(graph), seed=0)
    assert item.parts == (1, 1, 1)
    assert [Path(name).suffix for name in files_on(phone)] == [f".{graph_format}"] * 3
    item.close()


def test_staged_files_answer_like_the_network_for_one_image(tmp_path, graph):
    piece = Piece.network(graph)
    built = build(piece, seed=5)
    state = {name: tensor.numpy() for name, tensor in built.given.items()}
    paths = write_stages(piece, 5, tmp_path)
    assert [path.name for path in paths] == ["stage1.onnx", "stage2.onnx", "stage3.onnx"]
    with torch.inference_mode():
        answers = run(built.stages, built.given)
    for path, expected in zip(paths, answers, strict=True):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        assert {each.shape[0] for each in session.get_inputs()} == {1}
        names = [each.name for each in session.get_outputs()]
        given = {each.name: state[each.name] for each in session.get_inputs()}
        state = dict(zip(names, session.run(None, given), strict=True))
        np.testing.assert_allclose(state[names[0]], expected.numpy(), rtol=1e-3, atol=1e-4)


def test_conditions_are_those_of_the_device(programs, phone):
    install(programs, getprop="#!/bin/sh\necho Stand-in $1\n", uname="#!/bin/sh\necho kernel$1\n")
    runtime = CommandRuntime(described(phone, "adb", "x {graph} {cores}", cores="f0", threads=2))
    found = runtime.conditions()
    assert (runtime.name, runtime.device, runtime.shares_host) == ("litert", "stand-in", False)
    assert (found["reach"], found["cores"], found["threads"]) == ("adb", "f0", 2)
    assert found["command"] == "x {graph} {cores}"
    assert "least" in found["visit_statistic"]
    assert found["host"]["model"] == "Stand-in ro.product.model"
    assert found["host"]["kernel"] == "kernel-r"
    calls = (programs / "calls").read_text()
    runtime.conditions()
    assert (programs / "calls").read_text() == calls, "the device is asked once"


def test_a_shell_on_this_host_shares_it(phone):
    runtime = CommandRuntime(described(phone))
    assert runtime.shares_host
    assert runtime.conditions()["host"]["kernel"] == os.uname().release
    assert runtime.conditions()["reach"] == "local"


@pytest.mark.parametrize("reach", REACHES)
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("./bench {graph}", "a command was not found: .*bench.*not found"),
        ("./data {graph}", r"a command cannot be executed: .*data.*[Pp]ermission denied"),
        ("echo about >&2; echo 'no graph' >&2; false {graph}", "exit code 1: no graph$"),
        ("exit 3; {graph}", "ended with exit code 3: it printed nothing"),
        ("echo ({graph}", "a command ended with exit code"),
        ("echo Segmentation fault {graph}", "0 times were found.*Segmentation fault"),
    ],
)
def test_a_command_that_fails_is_told_and_its_files_go(
    programs, phone, stages, reach, command, said
):
    (phone / "data").write_text("no program")
    item = staged(described(phone, reach, command), stages("one"))
    with pytest.raises(LatencyError, match=said) as caught:
        item.visit(Visit(1, 1))
    assert str(caught.value).startswith("device 'stand-in': ")
    assert "\n" not in str(caught.value)
    assert files_on(phone) == ["data"]
    item.close()


def test_an_unknown_serial_is_told_with_those_that_there_are(programs, phone, stages):
    said = "adb: device 'GONE' not found (adb devices lists STANDIN (device), OTHER (unauthorized))"
    with pytest.raises(LatencyError, match=re.escape(said)):
        staged(described(phone, "adb", serial="GONE"), stages("one"))


def test_a_host_that_cannot_be_reached_is_told(programs, phone, stages):
    said = "device 'stand-in': ssh: connect to host gone port 22: No route to host"
    with pytest.raises(LatencyError, match=f"^{said}$"):
        staged(described(phone, "ssh", host="pi@gone"), stages("one"))


@pytest.mark.parametrize(("reach", "hint"), [("adb", "platform-tools"), ("ssh", "OpenSSH")])
def test_a_host_without_the_program_is_told(phone, stages, monkeypatch, reach, hint):
    monkeypatch.setenv("PATH", str(phone))
    with pytest.raises(LatencyError, match=f"^{reach}: cannot be started .*{hint}"):
        staged(described(phone, reach), stages("one"))


def test_a_connection_lost_once_is_tried_again(programs, phone, stages):
    item = staged(described(phone, "adb", f": stages {{graph}}; echo '{PRINTED}'"), stages("one"))
    (programs / "lose").write_text("1")
    assert item.visit(Visit(1, 3)) == [[1.5]]
    assert (programs / "lose").read_text() == "0\n"
    assert ends(programs / "left"), "two runs at once disturb each other"


def test_a_connection_lost_again_is_told_and_its_files_go(programs, phone, stages):
    item = staged(described(phone, "adb", ": stages {graph}"), stages("one"))
    (programs / "lose").write_text("9")
    with pytest.raises(LatencyError, match="adb: the connection ended in the middle of a command"):
        item.visit(Visit(1, 3))
    assert (programs / "lose").read_text() == "7\n"
    assert ends(programs / "left")
    assert files_on(phone) == []


def three(phone, stages, places):
    """Pieces in these folders, over one connection."""
    device = described(phone, "adb")
    link = connect(device)
    made = [Place(link, device.folder) for _ in range(places)]
    return [Staged(device, link, made[at % places], stages("one")) for at in range(3)]


def test_all_files_are_removed_with_the_last_piece_in_one_command(programs, phone, stages):
    items = three(phone, stages, 1)
    (programs / "calls").unlink()
    for item in items:
        assert len(files_on(phone)) == 3
        item.close()
    assert list(phone.iterdir()) == []
    assert (programs / "calls").read_text().count("rm -rf") == 1


def test_a_device_that_is_gone_is_asked_once_to_remove_files(programs, phone, stages):
    items = three(phone, stages, 3)
    (programs / "calls").unlink()
    (programs / "adb").write_text(ADB.replace("STANDIN ]", "GONE ]"))
    for item in items:
        item.close()
    calls = (programs / "calls").read_text()
    assert calls.count("rm -rf") == 2, "one attempt and its repetition"


def test_files_that_cannot_be_copied_leave_nothing(programs, phone, stages):
    (programs / "cp").write_text("#!/bin/sh\necho 'adb: error: No space left' >&2\nexit 1\n")
    (programs / "cp").chmod(0o755)
    message = "device 'stand-in': files cannot be copied: adb: No space left"
    with pytest.raises(LatencyError, match=message) as failed:
        staged(described(phone, "adb"), stages("one"))
    assert not isinstance(failed.value, DeviceLost), "it answers: another network may fit"
    assert list(phone.iterdir()) == []


@pytest.mark.parametrize("reach", REACHES)
def test_a_command_that_takes_too_long_is_killed_on_the_device(programs, phone, stages, reach):
    command = "echo $$ > ../pid; sleep 1000; : {graph}"
    item = staged(described(phone, reach, command, timeout_s=2), stages("one"))
    with pytest.raises(LatencyError, match="took longer than 2 s: raise timeout_s"):
        item.visit(Visit(1, 1))
    assert ends(phone.parent / "pid")
    assert files_on(phone) == []


class Stop(BaseException):
    """What Ctrl-C raises."""


@pytest.mark.parametrize("reach", REACHES)
def test_a_user_who_stops_leaves_nothing_running_there(programs, phone, stages, reach):
    command = "echo $$ > ../pid; sleep 1000; : {graph}"
    item = staged(described(phone, reach, command), stages("one"))

    def stop(*_):
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 1.5)
    try:
        with pytest.raises(Stop):
            item.visit(Visit(1, 1))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ends(phone.parent / "pid")
    assert files_on(phone) == []
