"""The runtime ``onnxruntime``: ONNX Runtime on this CPU, one thread, one session a stage.

Its threads do not spin while they wait: a spinning thread keeps its core busy long after the
answer, and with one thread there is nobody to wait for.
"""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from latency.errors import LatencyError
from latency.protocol import Protocol
from latency.runtimes.building import build
from latency.runtimes.runtime import Piece, Prepared

Values = dict[str, npt.NDArray[np.float32]]


class OnnxRuntime:
    """One image at a time (``batch`` of them), float32; every stage is a timed part.

    Raises LatencyError for another device than the CPU and where ONNX Runtime is not installed.
    """

    name = "onnxruntime"
    protocol = Protocol(warm_up=5, repeats=8, most_rounds=40, apart_s=0.1, copies=4)
    shares_host = True

    def __init__(self, device: str = "cpu", batch: int = 1) -> None:
        if device != "cpu":
            raise LatencyError(f"runtime 'onnxruntime' has no device {device!r}: choose cpu")
        try:
            import onnx  # noqa: F401
            import onnxruntime
        except ImportError as error:
            raise LatencyError(
                f"runtime 'onnxruntime' needs {error.name}, which is not installed: "
                "pip install 'nas-platform[export]'"
            ) from None
        self.device, self.batch, self._version = device, batch, onnxruntime.__version__

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        if piece.is_block:
            return self.divide(piece, seed)
        return PreparedSessions(piece, seed, self.batch)

    def divide(self, piece: Piece, seed: int) -> Prepared:
        from latency.runtimes.onnx_blocks import PreparedBlocks

        return PreparedBlocks(piece, seed, self.batch)

    def answers_in_own(self, piece: Piece) -> bool:
        from latency.runtimes.onnx_blocks import in_own_layout

        return in_own_layout(piece, 0, self.batch).own

    def conditions(self) -> dict[str, Any]:
        return {
            "runtime": self.name,
            "device": self.device,
            "onnxruntime": self._version,
            "providers": "CPUExecutionProvider",
            "threads": 1,
            "spinning": False,
            "batch": self.batch,
            "dtype": "float32",
            "weights": "random",
        }


class PreparedSessions(Prepared):
    """A session for each stage, and the arrays that the first one reads."""

    def __init__(self, piece: Piece, seed: int, batch: int) -> None:
        from latency.graphs.onnx_stages import stage_models

        built = build(piece, seed, batch)
        self._given: Values = {name: tensor.numpy() for name, tensor in built.given.items()}
        self._stages = [
            (session(model), names) for model, names in stage_models(built.stages, built.given)
        ]
        self.parts = (1,) * len(self._stages)

    def run(self, stages: int) -> list[float]:
        known, taken = self._given, []
        for ready, (inputs, outputs) in self._stages[:stages]:
            given = {name: known[name] for name in inputs}
            start = time.perf_counter_ns()
            found = ready.run(outputs, given)
            taken.append((time.perf_counter_ns() - start) / 1e6)
            known = dict(zip(outputs, found, strict=True))
        return taken

    def close(self) -> None:
        self._stages.clear()


def session(model: bytes, optimise: bool = True) -> Any:
    """Open a model with one thread that never spins; ``optimise``: what it is not yet.

    Raises LatencyError where ONNX Runtime refuses it.
    """
    import onnxruntime

    from latency.graphs import onnx_layout

    options = onnx_layout.session_options()
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnx_layout.session(model, options)
