"""The runtime ``torch`` on this CPU: PyTorch eager, one image at a time, one thread."""

import resource
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from latency import campaign, host
from latency.campaign import Subject
from latency.errors import LatencyError
from latency.lane import Lane, Passage
from latency.protocol import Protocol, summarise
from latency.source import PerExit
from search_spaces.blocks import BlockGraph
from search_spaces.network import StagedNetwork, initialise

CALIBRATION_IMAGES = 4


class TorchEagerLatency:
    """Measures networks with random weights while the lane keeps trainers on this host still."""

    name = "torch"
    device = "cpu"

    def __init__(self, protocol: Protocol | None = None, lane: Lane | None = None) -> None:
        self.protocol = protocol or Protocol()
        self.lane = lane or Lane()
        self._last: dict[str, Any] | None = None

    def estimate(self, graph: BlockGraph, seed: int = 0) -> PerExit:
        """Measure one network; ``seed`` draws its weights and the image.

        Raises LatencyError when the network's answers are not finite.
        """
        return self.estimate_many((graph,), seed)[0]

    def estimate_many(self, graphs: Sequence[BlockGraph], seed: int = 0) -> tuple[PerExit, ...]:
        """Measure several networks in rounds that visit each of them in a shuffled order.

        Raises LatencyError when the answers of a network are not finite.
        """
        subjects = [prepare(graph, seed) for graph in graphs]
        rng = np.random.default_rng(seed)
        before, switched = host.load_average(), _switches()
        with self.lane.measuring() as passage:
            samples = campaign.run(subjects, self.protocol, rng)
        self._last = {
            "networks": len(subjects),
            "timed_passes": [taken.shape[0] * taken.shape[1] for taken in samples],
            "load_before": before,
            "load_after": host.load_average(),
            "preemptions": _switches() - switched,
            **_lane_facts(passage),
        }
        return tuple(
            summarise(taken, [len(stage.nodes) for stage in graph.stages()], self.protocol.quantile)
            for taken, graph in zip(samples, graphs, strict=True)
        )

    def conditions(self) -> dict[str, Any]:
        """Return runtime, protocol and host, and under ``last`` how the latest measurement went.

        ``preemptions`` counts how often another process took the core during that measurement,
        ``lane_contended`` says whether it had to wait for others on the lane. Before the first
        measurement ``last`` is None.
        """
        return {
            "runtime": self.name,
            "device": self.device,
            "torch": torch.__version__,
            "threads": 1,
            "batch": 1,
            "dtype": "float32",
            "weights": "random",
            **self.protocol.facts(),
            "host": host.facts(),
            "load_average": host.load_average(),
            "last": self._last,
        }


def prepare(graph: BlockGraph, seed: int) -> Subject:
    """Build the network of a graph with weights and image from ``seed``, ready to be timed.

    Its BatchNorms take the statistics of random images first: at their initial ones, values of a
    deep network drift towards zero or infinity, and numbers near zero (denormals) are slow.
    Raises LatencyError when the answers are not finite all the same.
    """
    network = StagedNetwork(graph)
    initialise(network, seed)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(CALIBRATION_IMAGES, *graph.image, generator=generator)
    with campaign.quiet():
        _calibrate(network, images)
        image = images[:1].clone()
        answers = network(image)
    if not all(bool(answer.isfinite().all()) for answer in answers):
        raise LatencyError(
            "a network whose answers are not finite cannot be timed: "
            f"image {graph.image}, {len(graph.exits)} exits, seed {seed}"
        )
    return Subject(network, image)


def _calibrate(network: StagedNetwork, images: torch.Tensor) -> None:
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    network.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    network(images)
    network.eval()


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _lane_facts(passage: Passage) -> dict[str, Any]:
    return {"lane_contended": passage.contended, "lane_waited_ms": round(passage.waited_ms, 1)}
