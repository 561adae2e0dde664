"""The runtime ``onnxruntime``: ONNX Runtime on this CPU, one thread, one session a stage.

Its threads do not spin while they wait: a spinning thread keeps its core busy long after the
answer, and with one thread there is nobody to wait for.
"""

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from latency.errors import LatencyError
from latency.protocol import Protocol
from latency.runtimes.building import build
from latency.runtimes.runtime import Piece, Prepared

if TYPE_CHECKING:
    from latency.graphs.onnx_layout import OwnLayout

Values = dict[str, npt.NDArray[np.float32]]


class OnnxRuntime:
    """One image at a time (``batch`` of them), float32; every stage is a timed part.

    Raises LatencyError for another device than the CPU and where ONNX Runtime is not installed.
    """

    name = "onnxruntime"
    protocol = Protocol(warm_up=5, repeats=8, most_rounds=40, apart_s=0.1)
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
        kind = PreparedBlock if piece.is_block else PreparedSessions
        return kind(piece, seed, self.batch)

    def answers_in_own(self, piece: Piece) -> bool:
        return _in_own_layout(piece, 0, self.batch).own

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


class PreparedBlock(Prepared):
    """A block as it runs within a network: in its layouts, its tensors in place beforehand.

    There a block neither copies its input nor allocates its output: that is done once a stage, and
    would weigh more than many a block.
    """

    def __init__(self, piece: Piece, seed: int, batch: int) -> None:
        import onnxruntime

        found = _in_own_layout(piece, seed, batch)
        ready = session(found.content, optimise=False)
        rng = np.random.default_rng(seed)
        given = {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in found.inputs}
        (answer,) = ready.run(None, given)
        values = {**given, ready.get_outputs()[0].name: answer}
        self._held = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(array) for name, array in values.items()
        }
        self._binding = ready.io_binding()
        for name, value in self._held.items():
            bind = self._binding.bind_ortvalue_input
            (bind if name in given else self._binding.bind_ortvalue_output)(name, value)
        self._session, self.parts = ready, (1,)

    def run(self, stages: int) -> list[float]:
        start = time.perf_counter_ns()
        self._session.run_with_iobinding(self._binding)
        return [(time.perf_counter_ns() - start) / 1e6]

    def close(self) -> None:
        self._held.clear()


def _in_own_layout(piece: Piece, seed: int, batch: int) -> "OwnLayout":
    from latency.graphs import onnx_layout, recording

    built = build(piece, seed, batch)
    recorded, _ = recording.record(built.stages[0], built.given)
    own = piece.own or (False,) * len(piece.inputs)
    return onnx_layout.optimised(recorded, own, batch)


def session(model: bytes, optimise: bool = True) -> Any:
    """Open a model with one thread that never spins; ``optimise``: what it is not yet."""
    import onnxruntime

    from latency.graphs.onnx_layout import session_options

    options = session_options()
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
