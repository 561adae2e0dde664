"""The campaign times stages on a clock that the stages themselves move."""

import gc
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor

from latency import campaign
from latency.campaign import Subject
from latency.protocol import Protocol, summarise
from search_spaces.blocks import BlockGraph
from search_spaces.network import StagedNetwork


@dataclass
class FakeTime:
    """A clock, and the names of the networks in the order in which they ran."""

    now_ns: int = 0
    ran: list[str] = field(default_factory=list)

    def __call__(self) -> int:
        return self.now_ns


def subject(graph: BlockGraph, name: str, times_ms: list[float], clock: FakeTime) -> Subject:
    """Return a real network whose blocks, two a stage, move the clock by given times."""
    network = StagedNetwork(graph).eval()

    def spend(index: int) -> None:
        clock.now_ns += round(1e6 * times_ms[index])
        if index == 0:
            clock.ran.append(name)

    blocks = [block for stage in network.stages for block in stage.blocks]  # type: ignore[union-attr]
    for index, block in enumerate(blocks):
        block.register_forward_pre_hook(lambda *_, index=index: spend(index))
    return Subject(network, torch.zeros(1, *graph.image))


def test_each_block_gets_its_own_time(graph: BlockGraph) -> None:
    clock = FakeTime()
    timed = subject(graph, "a", [1.5, 0.25, 4.0, 0.5, 3.0, 0.125], clock)
    with campaign.stopwatch(timed.network, clock) as stamps:
        for _ in range(2):
            taken = campaign.timed_pass(timed, stamps, clock)
            assert taken == [1.5, 0.25, 4.0, 0.5, 3.0, 0.125]
    timed.network(timed.image)
    assert len(stamps) == 7  # the stopwatch is off the network again


def test_a_stage_pays_for_what_comes_after_its_blocks(graph: BlockGraph) -> None:
    clock = FakeTime()
    timed = subject(graph, "a", [1.0] * 6, clock)

    def spend(*_: object) -> None:
        clock.now_ns += 250_000

    timed.network.stages[1].register_forward_hook(spend)
    with campaign.stopwatch(timed.network, clock) as stamps:
        taken = campaign.timed_pass(timed, stamps, clock)
    assert taken == [1.0, 1.0, 1.0, 1.25, 1.0, 1.0]


def test_samples_and_their_summary(graph: BlockGraph) -> None:
    clock = FakeTime()
    protocol = Protocol(rounds=4, warm_up=2, repeats=3)
    subjects = [
        subject(graph, "a", [1.0] * 6, clock),
        subject(graph, "b", [1.5, 0.5, 0.25, 0.25, 0.125, 0.125], clock),
    ]
    samples = campaign.run(subjects, protocol, np.random.default_rng(0), clock)
    assert [taken.shape for taken in samples] == [(4, 3, 6), (4, 3, 6)]
    latencies = [e.latency_ms for e in summarise(samples[1], (2, 2, 2), protocol.quantile)]
    assert latencies == pytest.approx([2.0, 2.5, 2.75])


def test_rounds_are_interleaved(graph: BlockGraph) -> None:
    clock = FakeTime()
    protocol = Protocol(rounds=3, warm_up=1, repeats=1)
    subjects = [subject(graph, name, [1.0] * 6, clock) for name in "abcd"]
    campaign.run(subjects, protocol, np.random.default_rng(0), clock)
    rounds = clock.ran[len(subjects) * 2 :]  # two passes each to set up
    visits = [rounds[start : start + 8] for start in range(0, len(rounds), 8)]
    assert len(visits) == 3
    for visited in visits:
        assert visited[::2] == visited[1::2]  # warm-up and timed pass of one visit together
        assert sorted(visited[::2]) == list("abcd")
    assert len({tuple(visited) for visited in visits}) > 1


def test_slow_networks_are_passed_less_often(graph: BlockGraph) -> None:
    clock = FakeTime()
    protocol = Protocol(rounds=2, warm_up=3, repeats=5, visit_ms=40.0)
    subjects = [
        subject(graph, "fast", [0.1] * 6, clock),
        subject(graph, "slow", [50.0] * 6, clock),
    ]
    fast, slow = campaign.run(subjects, protocol, np.random.default_rng(0), clock)
    assert fast.shape == (2, 5, 6)
    assert slow.shape == (2, 1, 6)
    assert clock.ran.count("slow") == 2 + 2 * 2


@pytest.mark.parametrize("collecting", [True, False])
def test_quiet_leaves_the_process_as_it_was(collecting: bool) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    was = gc.isenabled()
    (gc.enable if collecting else gc.disable)()
    try:
        seen: list[tuple[int, bool, bool]] = []
        with pytest.raises(ZeroDivisionError):
            fail_quietly(seen)
        assert seen == [(1, False, True)]
        assert settings() == (2, collecting, False)
    finally:
        (gc.enable if was else gc.disable)()
        torch.set_num_threads(threads)


def fail_quietly(seen: list[tuple[int, bool, bool]]) -> None:
    with campaign.quiet():
        seen.append(settings())
        raise ZeroDivisionError


def settings() -> tuple[int, bool, bool]:
    return torch.get_num_threads(), gc.isenabled(), torch.is_inference_mode_enabled()


def test_a_stage_sees_the_state_of_the_one_before(graph: BlockGraph) -> None:
    timed = subject(graph, "a", [1.0] * 6, FakeTime())
    seen: list[Tensor] = []
    timed.network.stages[1].register_forward_pre_hook(lambda _, given: seen.extend(given))
    with campaign.stopwatch(timed.network, FakeTime()) as stamps:
        campaign.timed_pass(timed, stamps, FakeTime())
    assert [tuple(tensor.shape) for tensor in seen] == [(1, 4, 8, 8)]
