"""The runtime ``openvino`` on this CPU: OpenVINO, one thread, a compiled model for each stage."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino

from latency.errors import LatencyError
from latency.graphs.onnx_stages import stage_models
from latency.protocol import Protocol
from latency.runtimes.building import build
from latency.runtimes.runtime import Piece, Prepared

Values = dict[str, npt.NDArray[np.float32]]
"""Arrays by their names, float32 [batch, channels, height, width]."""

OPTIONS = {
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
    "INFERENCE_NUM_THREADS": 1,
    "INFERENCE_PRECISION_HINT": "f32",  # or a CPU that has bfloat16 would use it
}


class OpenVino:
    """One image at a time, float32; every stage is a timed part."""

    name = "openvino"
    protocol = Protocol(warm_up=8, repeats=10, most_rounds=24)
    shares_host = True

    def __init__(self, device: str = "cpu") -> None:
        if device != "cpu":
            raise LatencyError(f"runtime 'openvino' has no device {device!r}: choose cpu")
        self.device = device

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        """Compile the stages of a piece with weights from the seed."""
        return PreparedModels(piece, seed)

    def conditions(self) -> dict[str, Any]:
        """What the figures hold for."""
        return {
            "runtime": self.name,
            "device": self.device,
            "openvino": openvino.__version__,
            "threads": 1,
            "batch": 1,
            "dtype": "float32",
            "weights": "random",
        }


class PreparedModels(Prepared):
    """The compiled model of each stage, and the arrays that the first one reads."""

    def __init__(self, piece: Piece, seed: int) -> None:
        built, core = build(piece, seed), openvino.Core()
        self.given: Values = {name: tensor.numpy() for name, tensor in built.given.items()}
        self.stages = [
            (core.compile_model(core.read_model(model), "CPU", OPTIONS), names)
            for model, names in stage_models(built.stages, built.given)
        ]
        self.parts = (1,) * len(self.stages)

    def run(self, stages: int) -> list[float]:
        """Run the first stages once; return the milliseconds of each."""
        known, taken = self.given, []
        for compiled, (inputs, outputs) in self.stages[:stages]:
            given = {name: known[name] for name in inputs}
            start = time.perf_counter_ns()
            found = compiled(given, share_inputs=True, share_outputs=True)
            taken.append((time.perf_counter_ns() - start) / 1e6)
            known = {name: found[name] for name in outputs}
        return taken

    def close(self) -> None:
        """Let go of the compiled models."""
        self.stages.clear()
