"""LiteRT runs the stages of a piece, writes them as files, and says what it lacks."""

import sys

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from latency.errors import LatencyError
from latency.protocol import Visit
from latency.runtimes import litert
from latency.runtimes.building import build, run
from latency.runtimes.runtime import Piece, Runtime
from nas import plugins
from search_spaces.blocks import Norm


@pytest.fixture(scope="module")
def network():
    """A network with several exits, whose stages hand tensors on."""
    space = plugins.space("msd")
    architecture = space.sample(np.random.default_rng(8))
    return Piece.network(space.blocks(architecture, (3, 32, 32), 10))


def test_every_stage_is_one_timed_part(network):
    runtime = litert.LiteRt()
    assert isinstance(runtime, Runtime)
    prepared = runtime.prepare(network, seed=0)
    assert prepared.parts == (1,) * len(network.stages)
    assert len(network.stages) > 1
    everything = prepared.visit(Visit(warm_up=1, repeats=2))
    assert [len(one) for one in everything] == [len(network.stages)] * 2
    assert all(milliseconds > 0 for one in everything for milliseconds in one)
    assert len(prepared.run(1)) == 1
    prepared.close()


def test_tensors_are_handed_from_stage_to_stage(network):
    built = build(network, seed=0)
    prepared = litert.LiteRt().prepare(network, seed=0)
    with torch.inference_mode():
        answers = run(built.stages, built.given)
    for answer, expected in zip(prepared.answers(), answers, strict=True):
        np.testing.assert_allclose(answer, expected, rtol=1e-3, atol=1e-4)


def test_a_block_is_a_piece_too(network):
    node = network.stages[0].nodes[0]
    prepared = litert.LiteRt().prepare(Piece.block(node.spec, ((3, 32, 32),), Norm()), seed=0)
    assert len(prepared.run(1)) == 1


def test_stages_are_written_as_files_that_a_phone_can_run(network, tmp_path):
    paths = litert.write(network, 0, tmp_path / "phone")
    assert [path.name for path in paths] == [
        f"stage{number}.tflite" for number in range(1, len(network.stages) + 1)
    ]
    graph = Interpreter(model_path=str(paths[0]), num_threads=1)
    (signature,) = graph.get_signature_list().values()
    assert signature["inputs"] == ["x"]
    assert sorted(signature["outputs"]) == sorted(
        (network.stages[0].exit, *network.stages[0].outputs)
    )


def test_the_same_seed_writes_the_same_bytes(network, tmp_path):
    once, again = (litert.write(network, 7, tmp_path / name) for name in ("once", "again"))
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]


def test_another_device_is_one_clear_line():
    with pytest.raises(LatencyError, match="runtime 'litert' has no device 'tpu': choose cpu"):
        litert.LiteRt("tpu")


def test_without_the_package_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(LatencyError, match=r"pip install 'nas-platform\[mobile\]'"):
        litert.LiteRt()


def test_conditions_name_version_threads_and_layout():
    facts = litert.LiteRt().conditions()
    assert {"runtime": "litert", "device": "cpu", "threads": 1, "batch": 1}.items() <= facts.items()
    assert facts["litert"][0].isdigit()
