"""On devices whose law is known, measurements find that law, whatever else the machine does."""

from dataclasses import replace

import numpy as np
import pytest

from latency.baselines import sequential_median
from latency.measuring import Measuring
from latency.protocol import Protocol
from latency.runtimes.runtime import Piece, Runtime
from search_spaces.blocks import BlockGraph
from search_spaces.msd import MSD
from tests.latency.simulated import Disturbed, Law, Simulated

IMAGE = (3, 32, 32)
SPREAD = Protocol(rounds=24, most_rounds=48, apart_s=0.5, tolerance=0.01)
"""Rounds that lie further apart than most slow stretches last."""
SLOW = Disturbed(slow=0.6)


@pytest.fixture(scope="module")
def graphs() -> list[BlockGraph]:
    """Six networks with two to four exits."""
    rng = np.random.default_rng(0)
    drawn = (MSD.blocks(MSD.sample(rng), IMAGE, 10) for _ in range(100))
    return [graph for graph in drawn if len(graph.exits) > 1][:6]


def off(found: list[list[float]], graphs: list[BlockGraph], law: Law) -> np.ndarray:
    """Return by which share the figures of every exit of every network miss the law."""
    true = [law.exits_ms(graph) for graph in graphs]
    return np.abs(np.concatenate(found) / np.concatenate(true) - 1)


def measured(device: Simulated, graphs: list[BlockGraph], seed: int = 0) -> np.ndarray:
    estimates = Measuring(device.bench()).estimate_many(graphs, seed)
    found = [[each.latency_ms for each in exits] for exits in estimates]
    return off(found, graphs, device.law)


@pytest.mark.parametrize("law", [Law(), Law(cache_bytes=0.5e6)], ids=["additive", "cache"])
@pytest.mark.parametrize(
    ("disturbed", "protocol"),
    [
        (Disturbed(), Protocol()),
        (Disturbed(preemptions=400), Protocol()),
        (SLOW, SPREAD),
        (replace(SLOW, preemptions=200), SPREAD),
    ],
    ids=["noise", "preempted", "slow", "slow-and-preempted"],
)
def test_every_exit_is_found(
    graphs: list[BlockGraph], law: Law, disturbed: Disturbed, protocol: Protocol
) -> None:
    for seed in range(2):
        device = Simulated(law, disturbed, seed, protocol)
        assert measured(device, graphs, seed).max() < 0.01


def test_it_is_a_runtime(graphs: list[BlockGraph]) -> None:
    device = Simulated()
    assert isinstance(device, Runtime)
    ready = device.prepare(Piece.network(graphs[0]), 0)
    assert len(ready.run(1)) == ready.parts[0]
    assert len(ready.run(len(ready.parts))) == sum(ready.parts)


def test_a_network_alone_is_found_in_slow_states(graphs: list[BlockGraph]) -> None:
    for seed in range(5):
        assert measured(Simulated(Law(), SLOW, seed, SPREAD), graphs[:1], seed).max() < 0.01


def test_the_same_seed_gives_the_same_samples(graphs: list[BlockGraph]) -> None:
    disturbed = replace(SLOW, preemptions=100)
    pieces = [Piece.network(graph) for graph in graphs[:2]]
    batches = [Simulated(Law(), disturbed, seed).bench().measure(pieces, 0) for seed in (1, 1, 2)]
    one, same, other = (batch.taken.samples[0] for batch in batches)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_rounds_beat_the_usual_practice(graphs: list[BlockGraph]) -> None:
    disturbed = replace(SLOW, preemptions=100)
    ours, usual = [], []
    for seed in range(2):
        device = Simulated(Law(), disturbed, seed, SPREAD)
        ours.append(measured(device, graphs, seed).mean())
        device = Simulated(Law(), disturbed, seed)
        items = [device.prepare(Piece.network(graph), seed) for graph in graphs]
        usual.append(off(sequential_median(items, 100), graphs, device.law).mean())
    assert np.mean(ours) < 0.01
    assert np.mean(usual) > 0.1


def test_the_median_finds_a_device_that_nothing_disturbs(graphs: list[BlockGraph]) -> None:
    device = Simulated(Law(), Disturbed(noise=0.0))
    items = [device.prepare(Piece.network(graph), 0) for graph in graphs]
    assert off(sequential_median(items, 5), graphs, device.law).max() < 1e-9


def test_the_canary_tells_the_level_of_a_campaign(graphs: list[BlockGraph]) -> None:
    device = Simulated(Law(), Disturbed(levels=(1.0, 1.05)))
    bench = device.bench()
    pieces = [Piece.network(graph) for graph in graphs]
    before, after = (bench.measure(pieces, 0) for _ in range(2))
    ratio = [
        b.min(axis=(0, 1)).sum() / a.min(axis=(0, 1)).sum()
        for a, b in zip(before.taken.samples, after.taken.samples, strict=True)
    ]
    assert ratio == pytest.approx([1.05] * len(graphs), rel=0.01)
    drift = after.facts["canary_ms"] / before.facts["canary_ms"]
    assert drift == pytest.approx(1.05, rel=0.002)
