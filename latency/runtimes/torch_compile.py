"""The runtime ``torch-compile``: PyTorch compiled for this CPU, one thread, stage by stage.

Compiling takes 8 to 100 s a network and makes it 1.4 to 2 times as fast as eager PyTorch (measured
on small networks of one x86 core): it is for finalists, never for every trial of a search.
"""

import time
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from latency.errors import LatencyError
from latency.protocol import Protocol
from latency.runtimes.building import build
from latency.runtimes.runtime import Piece, Prepared
from latency.runtimes.torch_eager import quiet

Compiled = Callable[..., tuple[Tensor, ...]]


class TorchCompile:
    """One image at a time (``batch`` of them), float32; every stage is compiled, a timed part.

    Raises LatencyError for another device than the CPU; ``prepare`` does where no C++ compiler is.
    """

    name = "torch-compile"
    protocol = Protocol(warm_up=4, repeats=6, most_rounds=24, apart_s=0.1)
    shares_host = True

    def __init__(self, device: str = "cpu", batch: int = 1) -> None:
        if device != "cpu":
            raise LatencyError(f"runtime 'torch-compile' has no device {device!r}: choose cpu")
        self.device, self.batch = device, batch

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        return PreparedCompiled(piece, seed, self.batch)

    def conditions(self) -> dict[str, Any]:
        return {
            "runtime": self.name,
            "device": self.device,
            "torch": torch.__version__,
            "mode": "default",
            "threads": 1,
            "batch": self.batch,
            "dtype": "float32",
            "weights": "random",
        }


class PreparedCompiled(Prepared):
    """Compiled stages, and the tensors that the first one reads."""

    def __init__(self, piece: Piece, seed: int, batch: int) -> None:
        built = build(piece, seed, batch)
        self._given = tuple(built.given.values())
        self._stages = [compiled(stage) for stage in built.stages]
        self.parts = (1,) * len(self._stages)
        try:
            self.run(len(self._stages))  # that is when they are compiled
        except RuntimeError as error:
            raise LatencyError(
                "runtime 'torch-compile' cannot compile a network "
                f"(it needs a C++ compiler such as g++): {str(error).strip().splitlines()[0]}"
            ) from error

    def run(self, stages: int) -> list[float]:
        taken, state = [], self._given
        with quiet():
            for stage in self._stages[:stages]:
                start = time.perf_counter_ns()
                _, *rest = stage(*state)
                taken.append((time.perf_counter_ns() - start) / 1e6)
                state = tuple(rest)
        return taken

    def close(self) -> None:
        self._stages.clear()


def compiled(stage: nn.Module) -> Compiled:
    """Have a stage compiled, as a whole or not at all, once it is called.

    What is compiled belongs to a code object, and a code object may have eight of them before it is
    run as it was written: every stage gets one of its own.
    """

    def call(*state: Tensor) -> tuple[Tensor, ...]:
        answers: tuple[Tensor, ...] = stage(*state)
        return answers

    code, closure = call.__code__.replace(), call.__closure__
    own = FunctionType(code, call.__globals__, call.__name__, None, closure)
    ready: Compiled = torch.compile(own, fullgraph=True, dynamic=False)
    return ready
