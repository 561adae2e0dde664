"""The runtimes that exist, by name; a runtime's own module is imported only when it is made."""

from importlib import import_module
from typing import cast

from latency.errors import LatencyError
from latency.source import LatencySource

RUNTIMES = {
    "torch": "latency.torch_eager:TorchEagerLatency",
    "macs": "latency.macs:MacsLatency",
}

DEVICES = {
    "torch": ("cpu",),
    "macs": ("cpu", "simulated"),
}
"""Devices that a runtime answers for. The simulated one stands in for this CPU."""


def make(runtime: str, device: str = "cpu") -> LatencySource:
    """Return the latency source of a runtime on a device.

    Raises LatencyError for a runtime or device that does not exist, and lists those that do.
    """
    if runtime not in RUNTIMES:
        raise LatencyError(f"no runtime {runtime!r}: choose one of {', '.join(RUNTIMES)}")
    if device not in DEVICES[runtime]:
        devices = ", ".join(DEVICES[runtime])
        raise LatencyError(f"runtime {runtime!r} has no device {device!r}: choose one of {devices}")
    module, _, name = RUNTIMES[runtime].partition(":")
    return cast(LatencySource, getattr(import_module(module), name)())
