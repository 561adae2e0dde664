"""The runtime ``onnxruntime`` on this CPU: one image at a time, one thread, stage by stage."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from latency import host
from latency.errors import LatencyError
from latency.lane import Lane
from latency.protocol import Protocol, Visit, summarise
from latency.source import PerExit
from latency.torch_eager import prepare
from nas.exports import onnx_stages
from search_spaces.blocks import IMAGE, BlockGraph

Values = dict[str, Any]
"""The arrays of one image by their names, float32 [1, channels, height, width]."""


class Network:
    """A network as ONNX files in memory, and an image to time it on."""

    def __init__(self, graph: BlockGraph, seed: int) -> None:
        # Random weights from the seed, with the BatchNorm statistics that the torch runtime sets.
        subject = prepare(graph, seed)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.image: Values = {IMAGE: subject.image.numpy()}
        with tempfile.TemporaryDirectory() as folder:
            self.stages = [
                (stage, onnxruntime.InferenceSession(Path(folder) / stage.file, options))
                for stage in onnx_stages.write(subject.network, graph.image, Path(folder))
            ]

    def timed(self) -> list[float]:
        """Run every stage once; return the milliseconds of each."""
        known, taken = dict(self.image), []
        for stage, session in self.stages:
            given = {name: known[name] for name in stage.inputs}
            start = time.perf_counter_ns()
            found = session.run(None, given)
            taken.append((time.perf_counter_ns() - start) / 1e6)
            known |= zip((stage.logits, *stage.outputs), found, strict=True)
        return taken

    def visited(self, visit: Visit) -> list[list[float]]:
        """Run untimed passes, then timed ones: [repeats][stages] in ms."""
        for _ in range(visit.warm_up):
            self.timed()
        return [self.timed() for _ in range(visit.repeats)]


class OnnxLatency:
    """Networks with random weights, timed while trainers on this host stand still."""

    name = "onnxruntime"

    def __init__(self, device: str = "cpu") -> None:
        if device != "cpu":
            raise LatencyError(f"runtime 'onnxruntime' has no device {device!r}: choose cpu")
        self.device, self.protocol, self.lane = device, Protocol(), Lane()

    def estimate(self, graph: BlockGraph, seed: int = 0) -> PerExit:
        """Measure one network."""
        return self.estimate_many((graph,), seed)[0]

    def estimate_many(self, graphs: Sequence[BlockGraph], seed: int = 0) -> tuple[PerExit, ...]:
        """Measure several networks in rounds, each round in a new order."""
        networks = [Network(graph, seed) for graph in graphs]
        taken: list[list[list[list[float]]]] = [[] for _ in networks]
        with self.lane.measuring():
            visits = [self.protocol.visit(sum(network.timed())) for network in networks]
            for order in self.protocol.orders(len(networks), np.random.default_rng(seed)):
                for index in order:
                    taken[index].append(networks[index].visited(visits[index]))
        return tuple(
            summarise(np.array(rounds), [1] * len(network.stages), self.protocol.quantile)
            for rounds, network in zip(taken, networks, strict=True)
        )

    def conditions(self) -> dict[str, Any]:
        """What the figures hold for."""
        return {
            "runtime": self.name,
            "device": self.device,
            "onnxruntime": onnxruntime.__version__,
            "threads": 1,
            "batch": 1,
            "weights": "random",
            **self.protocol.facts(),
            "host": host.facts(),
        }
