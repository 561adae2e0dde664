"""PyTorch eager: what is measured, under which lock, and what is written down."""

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from latency import campaign
from latency.errors import LatencyError
from latency.lane import ROOM, Lane
from latency.protocol import Protocol
from latency.torch_eager import TorchEagerLatency, prepare
from search_spaces.blocks import BlockGraph

SHORT = Protocol(rounds=2, warm_up=1, repeats=2)


@pytest.fixture
def source(tmp_path: Path) -> TorchEagerLatency:
    return TorchEagerLatency(SHORT, Lane(tmp_path / "lane"))


def test_the_lane_is_held_while_the_network_runs(
    source: TorchEagerLatency, graph: BlockGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    free: list[bool] = []
    run = campaign.run

    def watched(*arguments: Any) -> Any:
        free.append(is_free(source.lane))
        return run(*arguments)

    monkeypatch.setattr(campaign, "run", watched)
    source.estimate(graph)
    assert free == [False]
    assert is_free(source.lane)


def is_free(lane: Lane) -> bool:
    with (lane.path / ROOM).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_an_infinite_answer_is_no_measurement(
    source: TorchEagerLatency, broken_graph: BlockGraph
) -> None:
    with pytest.raises(LatencyError, match="not finite") as error:
        source.estimate(broken_graph)
    assert "\n" not in str(error.value)


def test_a_failed_measurement_frees_the_lane(
    source: TorchEagerLatency, graph: BlockGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(campaign, "run", fail)
    with pytest.raises(MemoryError):
        source.estimate(graph)
    assert is_free(source.lane)


def test_conditions_tell_how_the_measurement_went(
    source: TorchEagerLatency, make_graph: Callable[[int, int], BlockGraph]
) -> None:
    assert source.conditions()["last"] is None
    source.estimate_many([make_graph(1, 4), make_graph(2, 4)])
    conditions = source.conditions()
    assert conditions["threads"] == 1
    assert conditions["torch"] == torch.__version__
    assert conditions["rounds"] == 2
    assert conditions["quantile"] == 0.0
    assert {"cpu", "caches", "governor", "kernel"} <= conditions["host"].keys()
    last = conditions["last"]
    assert last["networks"] == 2
    assert last["timed_passes"] == [4, 4]
    assert last["lane_contended"] is False
    assert last["preemptions"] >= 0


def test_the_seed_draws_weights_and_image(graph: BlockGraph) -> None:
    one, same, other = prepare(graph, 3), prepare(graph, 3), prepare(graph, 4)
    assert torch.equal(one.image, same.image)
    assert not torch.equal(one.image, other.image)
    for name, weight in one.network.state_dict().items():
        assert torch.equal(weight, same.network.state_dict()[name])


def test_the_network_is_timed_in_eval_mode_with_calibrated_norms(graph: BlockGraph) -> None:
    network = prepare(graph, 0).network
    assert not any(module.training for module in network.modules())
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 3
    for norm in norms:
        assert norm.running_var is not None
        assert not torch.equal(norm.running_var, torch.ones_like(norm.running_var))


def test_the_default_lane_is_the_one_of_this_host() -> None:
    assert TorchEagerLatency().lane == Lane()
    assert TorchEagerLatency().protocol == Protocol()
