"""Compiled PyTorch: every stage is compiled, however many there are, or nothing is timed."""

from collections.abc import Callable

import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor import config

from latency import sources
from latency.errors import LatencyError
from latency.runtimes.building import build
from latency.runtimes.runtime import Piece
from latency.runtimes.torch_compile import TorchCompile, compiled
from search_spaces.blocks import BlockGraph

STAGES = 10
"""More than the eight versions that PyTorch keeps of one function."""


@pytest.mark.slow
def test_every_stage_is_compiled_before_the_first_timed_pass(
    make_graph: Callable[[int, int], BlockGraph],
) -> None:
    counters.clear()
    ready = TorchCompile().prepare(Piece.network(make_graph(STAGES, 4)), 0)
    assert counters["stats"]["unique_graphs"] == STAGES
    for _ in range(3):
        assert len(ready.run(STAGES)) == STAGES
    assert counters["stats"]["unique_graphs"] == STAGES
    assert not counters["graph_break"]
    ready.close()


@pytest.mark.slow
def test_compiled_stages_answer_like_eager(graph: BlockGraph) -> None:
    built = build(Piece.network(graph), 0)
    with torch.inference_mode():
        state = tuple(built.given.values())
        for stage in built.stages:
            found, expected = compiled(stage)(*state), stage(*state)
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
            state = expected[1:]


@pytest.mark.slow
def test_a_missing_compiler_is_one_line(make_graph: Callable[[int, int], BlockGraph]) -> None:
    without = config.patch({"cpp.cxx": ("no-such-compiler",), "fx_graph_cache": False})
    with without, pytest.raises(LatencyError, match=r"needs a C\+\+ compiler such as g") as error:
        TorchCompile().prepare(Piece.network(make_graph(1, 7)), 0)
    assert "\n" not in str(error.value)


def test_making_it_compiles_nothing() -> None:
    assert sources.bench("torch-compile").name == "torch-compile"
    with pytest.raises(LatencyError, match="no device 'cpu:1': choose cpu"):
        sources.bench("torch-compile", "cpu:1")
