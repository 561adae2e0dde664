"""CUDA: which device is meant, what a GPU says of itself, and how events become times.

No GPU is needed, and none is faked beyond its events: what runs on one is tested where one is, by
the contract of every runtime.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import torch

from latency import sources
from latency.errors import LatencyError
from latency.runtimes import nvidia
from latency.runtimes.building import build
from latency.runtimes.cuda import PreparedEager
from latency.runtimes.cuda_device import Stopwatch, index_of, on_device
from latency.runtimes.runtime import Piece
from search_spaces.blocks import BlockGraph

HERE = -1
"""No CUDA device: the current one stays."""


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize("runtime", ["torch", "cuda-graph"])
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_without_a_device_one_line_says_so(
    runtime: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(LatencyError) as error:
        sources.make(runtime, device)
    assert str(error.value) == "no CUDA device is visible"


@pytest.mark.usefixtures("two_devices")
def test_a_device_is_the_first_or_has_a_number() -> None:
    assert [index_of("torch", device) for device in ("cuda", "cuda:0", "cuda:1")] == [0, 0, 1]


@pytest.mark.usefixtures("two_devices")
@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("cuda:2", "no CUDA device 'cuda:2' is visible: the last one is cuda:1"),
        ("cuda:", "runtime 'torch' has no device 'cuda:': choose cuda or cuda:N"),
        ("cuda:one", "runtime 'torch' has no device 'cuda:one': choose cuda or cuda:N"),
        ("cuda:-1", "runtime 'torch' has no device 'cuda:-1': choose cuda or cuda:N"),
    ],
)
def test_a_device_that_is_none_is_one_line(device: str, said: str) -> None:
    with pytest.raises(LatencyError) as error:
        sources.make("torch", device)
    assert str(error.value) == said


class Stream:
    """A device that is busy for given milliseconds, and the events on it."""

    def __init__(self) -> None:
        self.ms, self.waits = 0.0, 0

    def event(self) -> "Mark":
        return Mark(self)

    def synchronise(self) -> None:
        self.waits += 1

    def spend(self, ms: float) -> Callable[..., None]:
        def work(*_: object) -> None:
            self.ms += ms

        return work


class Mark:
    """An event that remembers when it was recorded."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.at = stream, -1.0

    def record(self) -> None:
        self.at = self.stream.ms

    def elapsed_time(self, end_event: "Mark") -> float:
        return end_event.at - self.at


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def timed(graph: BlockGraph, stream: Stream) -> Iterator[PreparedEager]:
    """Three stages of two blocks, which take 1, 2, 3, 4, 5 and 6 ms."""
    built, times = build(Piece.network(graph), 0), count(1)
    for stage in built.stages:
        for block in stage.blocks:
            block.register_forward_pre_hook(stream.spend(float(next(times))))
    ready = PreparedEager(built, HERE, Stopwatch(stream.event, stream.synchronise))
    yield ready
    ready.close()


def test_each_block_gets_its_own_time(timed: PreparedEager) -> None:
    assert timed.parts == (2, 2, 2)
    for stages in (3, 1, 2, 3):
        assert timed.run(stages) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0][: 2 * stages]


def test_a_stage_pays_for_what_comes_after_its_blocks(timed: PreparedEager, stream: Stream) -> None:
    timed.built.stages[1].register_forward_hook(stream.spend(0.25))
    assert timed.run(3) == [1.0, 2.0, 3.0, 4.25, 5.0, 6.0]


def test_a_pass_waits_for_the_device_at_its_ends_only(timed: PreparedEager, stream: Stream) -> None:
    timed.run(3)
    assert stream.waits == 2


def test_choices_of_the_process_are_left_as_they_were(timed: PreparedEager) -> None:
    seen: list[bool] = []
    timed.built.stages[0].register_forward_hook(
        lambda *_: seen.append(torch.backends.cudnn.benchmark)
    )
    before = torch.backends.cudnn.benchmark
    timed.run(1)
    assert seen == [True]
    assert torch.backends.cudnn.benchmark is before
    assert not torch.is_inference_mode_enabled()


def test_a_piece_is_moved_with_as_many_images_as_the_batch(graph: BlockGraph) -> None:
    moved = on_device(build(Piece.network(graph), 0), torch.device("meta"), 64)
    assert moved.given["x"].shape == (64, 3, 8, 8)
    devices = {each.device.type for stage in moved.stages for each in stage.parameters()}
    assert devices == {"meta"} == {moved.given["x"].device.type}


def program(folder: Path, script: str) -> str:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_what_the_driver_says_becomes_values(tmp_path: Path) -> None:
    said = program(
        tmp_path, 'echo "$@" > "$0.asked"; echo "1980, 2619, 0x0000000000000000, 31, [N/A]"'
    )
    found = nvidia.query("GPU-12", nvidia.STATE, said)
    assert found == {
        "clocks.sm": 1980.0,
        "clocks.memory": 2619.0,
        "clocks_throttle_reasons.active": "0x0000000000000000",
        "temperature.gpu": 31.0,
        "power.draw": None,
    }
    asked = Path(f"{said}.asked").read_text()
    assert asked.startswith("--id=GPU-12 --query-gpu=clocks.sm,clocks.memory,")


@pytest.mark.parametrize("script", ["exit 6", "echo what", "echo"])
def test_a_driver_that_says_nothing_leaves_the_facts_open(tmp_path: Path, script: str) -> None:
    found = nvidia.query("GPU-12", nvidia.STATE, program(tmp_path, script))
    assert found == dict.fromkeys(nvidia.STATE)


def test_without_the_program_the_facts_are_open(tmp_path: Path) -> None:
    found = nvidia.query("GPU-12", nvidia.IDENTITY, str(tmp_path / "none"))
    assert found == dict.fromkeys(nvidia.IDENTITY)
