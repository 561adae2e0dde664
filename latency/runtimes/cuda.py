"""The runtimes ``torch`` and ``cuda-graph`` on a CUDA device, timed with events on one stream.

No machine with a GPU has run this file yet: its tests use events that are none.

``torch`` is PyTorch eager with a timed part for each block: for small work, launching kernels from
the host is what takes the time. ``cuda-graph`` launches a stage as one graph, a timed part. A
figure is of the whole batch; ``batch`` says of how many images.

Trainings stand still meanwhile (``shares_host``): they may run on the same GPU, and where they do
not, they take the core that launches the kernels.
"""

from typing import Any

import torch
from torch import Tensor

from latency.protocol import Protocol
from latency.runtimes import nvidia
from latency.runtimes.building import Built, build
from latency.runtimes.cuda_device import Stopwatch, index_of, on_device, steady, uuid
from latency.runtimes.runtime import Piece, Prepared

BATCH = 64
CAPTURE_AFTER = 3
"""Passes before a graph is captured: cuDNN has chosen its kernels, workspaces are allocated."""


class _OnCuda:
    """What both runtimes share. Raises LatencyError where the device is not there."""

    name: str
    shares_host = True
    protocol = Protocol(warm_up=8, repeats=10, visit_ms=100.0, most_rounds=24, apart_s=0.1)

    def __init__(self, device: str = "cuda", batch: int = BATCH) -> None:
        self.device, self.batch = device, batch
        self.index = index_of(self.name, device)
        self._facts: dict[str, Any] | None = None

    def conditions(self) -> dict[str, Any]:
        if self._facts is None:
            self._facts = nvidia.query(uuid(self.index), nvidia.IDENTITY)
        return {
            "runtime": self.name,
            "device": self.device,
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "cudnn_benchmark": True,
            "tf32": {
                "convolutions": torch.backends.cudnn.allow_tf32,
                "matrices": torch.backends.cuda.matmul.allow_tf32,
            },
            "gpu": {**self._facts, "name": torch.cuda.get_device_name(self.index)},
            "caches": "warm",
            "batch": self.batch,
            "dtype": "float32",
            "weights": "random",
        }

    def state(self) -> dict[str, Any]:
        """Return clocks, what holds them down, temperature and power, as they are now."""
        return nvidia.query(uuid(self.index), nvidia.STATE)


class CudaEager(_OnCuda):
    """PyTorch eager, float32; every block is a timed part."""

    name = "torch"

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        built = on_device(build(piece, seed), torch.device("cuda", self.index), self.batch)
        return PreparedEager(built, self.index)

    def divide(self, piece: Piece, seed: int) -> Prepared:
        return self.prepare(piece, seed)  # whose parts are its blocks


class CudaGraph(_OnCuda):
    """A CUDA graph for each stage, float32; every stage is a timed part."""

    name = "cuda-graph"

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        built = on_device(build(piece, seed), torch.device("cuda", self.index), self.batch)
        return PreparedGraphs(built, self.index)


class PreparedEager(Prepared):
    """Modules with a mark behind every block."""

    def __init__(self, built: Built, index: int, watch: Stopwatch | None = None) -> None:
        self.built, self._index, self._watch = built, index, watch or Stopwatch()
        self.parts = tuple(len(stage.blocks) for stage in built.stages)
        blocks = [block for stage in built.stages for block in stage.blocks]
        self._hooks = [
            block.register_forward_hook(lambda *_: self._watch.mark()) for block in blocks
        ]

    def run(self, stages: int) -> list[float]:
        with steady(self._index):
            state: tuple[Tensor, ...] = tuple(self.built.given.values())
            self._watch.start()
            for stage in self.built.stages[:stages]:
                _, *rest = stage(*state)
                state = tuple(rest)
                self._watch.move()
            return self._watch.read()

    def close(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self.built = Built((), {})


class PreparedGraphs(Prepared):
    """A captured graph for each stage; a graph reads where the one before it writes."""

    def __init__(self, built: Built, index: int) -> None:
        self._index, self._watch = index, Stopwatch()
        self._graphs: list[torch.cuda.CUDAGraph] = []
        self._kept: list[tuple[Tensor, ...]] = [tuple(built.given.values())]
        self.parts = (1,) * len(built.stages)
        with steady(index):
            for stage in built.stages:
                self._capture(stage)

    def run(self, stages: int) -> list[float]:
        with steady(self._index):
            self._watch.start()
            for graph in self._graphs[:stages]:
                graph.replay()
                self._watch.mark()
            return self._watch.read()

    def close(self) -> None:
        self._graphs.clear()
        self._kept.clear()

    def _capture(self, stage: torch.nn.Module) -> None:
        given, graph = self._kept[-1], torch.cuda.CUDAGraph()
        for _ in range(CAPTURE_AFTER):
            stage(*given)
        pool = self._graphs[0].pool() if self._graphs else None
        with torch.cuda.graph(graph, pool=pool):
            _, *rest = stage(*given)
        self._graphs.append(graph)
        self._kept.append(tuple(rest))
