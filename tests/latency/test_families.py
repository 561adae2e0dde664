"""Real architectures: every runtime gives latencies for what the spaces hand out."""

from itertools import pairwise

import numpy as np
import pytest

from latency.bench import LocalBench
from latency.lane import Lane
from latency.macs import MacsLatency
from latency.measuring import Measuring
from latency.protocol import Protocol
from latency.runtimes.torch_eager import TorchEager
from search_spaces.msd import MSD
from search_spaces.operators import costs

IMAGE = (3, 32, 32)


@pytest.mark.parametrize("seed", range(5))
def test_random_architectures_on_the_simulated_device(seed: int) -> None:
    graph = MSD.blocks(MSD.sample(np.random.default_rng(seed)), IMAGE, 10)
    estimates = MacsLatency().estimate(graph)
    assert len(estimates) == len(graph.exits) == len(costs(graph).lazy_macs)
    assert all(a.latency_ms < b.latency_ms for a, b in pairwise(estimates))


def test_random_architectures_under_pytorch(tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(0)
    graphs = [MSD.blocks(MSD.sample(rng), IMAGE, 10) for _ in range(3)]
    bench = LocalBench(TorchEager(), Lane(tmp_path_factory.mktemp("lane")))
    source = Measuring(bench, Protocol(rounds=1, warm_up=1, repeats=1))
    for graph, estimates in zip(graphs, source.estimate_many(graphs), strict=True):
        assert len(estimates) == len(graph.exits)
        assert all(a.latency_ms < b.latency_ms for a, b in pairwise(estimates))
