"""The runtime ``onnxruntime``: ONNX Runtime on this CPU, one thread, one session a stage.

Its threads do not spin while they wait: a spinning thread keeps its core busy long after the
answer, and with one thread there is nobody to wait for.
"""

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from latency.errors import LatencyError
from latency.protocol import Protocol
from latency.runtimes.building import build
from latency.runtimes.runtime import Piece, Prepared

if TYPE_CHECKING:
    from latency.graphs.onnx_stages import Names

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
        from latency.graphs.onnx_layout import session, session_options

        given, models = _models(piece, seed, batch)
        self._given: Values = {name: array.copy() for name, array in given.items()}
        self._stages = [(session(model, session_options()), names) for model, names in models]
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


@lru_cache(maxsize=1)
def _models(piece: Piece, seed: int, batch: int) -> "tuple[Values, list[tuple[bytes, Names]]]":
    """Inputs and stages of a piece; those of the last one are kept for its copies."""
    from latency.graphs.onnx_stages import stage_models

    built = build(piece, seed, batch)
    given = {name: tensor.numpy() for name, tensor in built.given.items()}
    return given, list(stage_models(built.stages, built.given))
