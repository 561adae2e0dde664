"""PyTorch eager: every block has its own time, and the process is left as it was."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from latency.errors import LatencyError
from latency.runtimes.building import CALIBRATION_IMAGES, build
from latency.runtimes.runtime import Piece
from latency.runtimes.torch_eager import PreparedEager, TorchEager, quiet
from search_spaces.blocks import BlockGraph

MS = 1_000_000


class BlockTime:
    """A clock that blocks move."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def spend(self, ms: float) -> Callable[..., None]:
        def move(*_: Any) -> None:
            self.now_ns += round(ms * MS)

        return move


@pytest.fixture
def time() -> BlockTime:
    return BlockTime()


@pytest.fixture
def timed(graph: BlockGraph, time: BlockTime) -> Iterator[PreparedEager]:
    """Three stages of two blocks, which take 1, 2, 3, 4, 5 and 6 ms."""
    built, times = build(Piece.network(graph), 0), count(1)
    for stage in built.stages:
        for block in stage.blocks:
            block.register_forward_pre_hook(time.spend(next(times)))
    ready = PreparedEager(built, time)
    yield ready
    ready.close()


def test_each_block_gets_its_own_time(timed: PreparedEager) -> None:
    assert timed.parts == (2, 2, 2)
    for _ in range(2):
        assert timed.run(3) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_later_stages_do_not_run(timed: PreparedEager, time: BlockTime) -> None:
    assert timed.run(1) == [1.0, 2.0]
    assert time.now_ns == 3 * MS


def test_a_stage_pays_for_what_comes_after_its_blocks(
    timed: PreparedEager, time: BlockTime
) -> None:
    timed.built.stages[1].register_forward_hook(time.spend(0.25))
    assert timed.run(3) == [1.0, 2.0, 3.0, 4.25, 5.0, 6.0]


def test_a_stage_sees_the_state_of_the_one_before(timed: PreparedEager) -> None:
    seen: list[Tensor] = []
    timed.built.stages[1].register_forward_pre_hook(lambda _, given: seen.extend(given))
    timed.run(3)
    assert [tuple(tensor.shape) for tensor in seen] == [(1, 4, 8, 8)]


def test_the_stopwatch_is_off_once_it_is_closed(graph: BlockGraph) -> None:
    ready = PreparedEager(build(Piece.network(graph), 0))
    ready.run(3)
    ready.close()
    assert len(ready.run(3)) == 0


def test_quiet_leaves_the_process_as_it_was() -> None:
    threads, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            fail_quietly(seen)
        assert seen == [(1, True)]
        assert settings() == (2, False)
    finally:
        torch.set_num_threads(threads)


def fail_quietly(seen: list[tuple[int, bool]]) -> None:
    with quiet():
        seen.append(settings())
        raise ZeroDivisionError


def settings() -> tuple[int, bool]:
    return torch.get_num_threads(), torch.is_inference_mode_enabled()


def test_a_device_that_it_has_not_is_one_line() -> None:
    with pytest.raises(LatencyError, match="no device 'toaster': choose") as error:
        TorchEager("toaster")
    assert "\n" not in str(error.value)


def test_the_batch_is_an_argument(graph: BlockGraph) -> None:
    runtime = TorchEager(batch=8)
    ready = runtime.prepare(Piece.network(graph), 0)
    assert isinstance(ready, PreparedEager)
    assert [tuple(given.shape) for given in ready.built.given.values()] == [(8, 3, 8, 8)]
    assert runtime.conditions()["batch"] == 8
    ready.close()


class TestBuilding:
    """What runtimes get: modules with weights from the seed, in evaluation mode."""

    def test_the_seed_draws_weights_and_image(self, graph: BlockGraph) -> None:
        one, same, other = (build(Piece.network(graph), seed) for seed in (3, 3, 4))
        assert torch.equal(one.given["x"], same.given["x"])
        assert not torch.equal(one.given["x"], other.given["x"])
        weights, again = (nn.ModuleList(each.stages).state_dict() for each in (one, same))
        assert weights.keys() == again.keys()
        assert all(torch.equal(weights[name], again[name]) for name in weights)

    def test_norms_have_the_statistics_of_inputs(self, graph: BlockGraph) -> None:
        stages = build(Piece.network(graph), 0).stages
        modules = [module for stage in stages for module in stage.modules()]
        assert not any(module.training for module in modules)
        norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
        assert len(norms) == 3
        for norm in norms:
            assert isinstance(norm.running_var, Tensor)
            assert not torch.equal(norm.running_var, torch.ones_like(norm.running_var))

    @pytest.mark.parametrize("batch", [1, CALIBRATION_IMAGES + 1])
    def test_inputs_have_the_batch(self, graph: BlockGraph, batch: int) -> None:
        built = build(Piece.network(graph), 0, batch)
        assert built.given["x"].shape == (batch, 3, 8, 8)

    def test_answers_that_are_not_finite_are_refused(self, broken_graph: BlockGraph) -> None:
        with pytest.raises(LatencyError, match=r"not finite .*3, 8, 8.* 2 exits, seed 5") as error:
            build(Piece.network(broken_graph), 5)
        assert "\n" not in str(error.value)
