"""The runtimes that exist, by name and device; a runtime's module is imported when it is made."""

from importlib import import_module
from typing import Any, cast

from latency.bench import Bench, LocalBench
from latency.errors import LatencyError
from latency.measuring import Measuring
from latency.source import LatencySource

RUNTIMES = {
    "torch": {
        "cpu": "latency.runtimes.torch_eager:TorchEager",
        "cuda": "latency.runtimes.cuda:CudaEager",
    },
    "torch-compile": {"cpu": "latency.runtimes.torch_compile:TorchCompile"},
    "onnxruntime": {"cpu": "latency.runtimes.onnx_runtime:OnnxRuntime"},
    "litert": {"cpu": "latency.runtimes.litert:LiteRt"},
    "cuda-graph": {"cuda": "latency.runtimes.cuda:CudaGraph"},
    "macs": {"cpu": "latency.macs:MacsLatency", "simulated": "latency.macs:MacsLatency"},
}
"""What runs networks where. The simulated device stands in for this CPU."""

SIMULATED = ("macs",)
"""Runtimes that are laws: nothing is measured with them."""


def make(runtime: str, device: str = "cpu") -> LatencySource:
    """Return the latency source of a runtime on a device, which measures what it is asked about.

    Raises LatencyError for a runtime or device that does not exist, and lists those that do.
    """
    if runtime in SIMULATED:
        return cast(LatencySource, _made(runtime, device))
    return Measuring(bench(runtime, device))


def bench(runtime: str, device: str = "cpu") -> Bench:
    """Return the bench of a runtime on a device. Raises LatencyError as ``make`` does."""
    if runtime in SIMULATED:
        raise LatencyError(
            f"runtime {runtime!r} is simulated by a law: there is nothing to measure"
        )
    return LocalBench(_made(runtime, device))


def _made(runtime: str, device: str) -> Any:
    if runtime not in RUNTIMES:
        raise LatencyError(f"no runtime {runtime!r}: choose one of {', '.join(RUNTIMES)}")
    kind, _, _ = device.partition(":")
    if kind not in RUNTIMES[runtime]:
        devices = ", ".join(RUNTIMES[runtime])
        raise LatencyError(f"runtime {runtime!r} has no device {device!r}: choose one of {devices}")
    module, _, name = RUNTIMES[runtime][kind].partition(":")
    made = getattr(import_module(module), name)
    return made() if runtime in SIMULATED else made(device)
