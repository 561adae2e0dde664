"""The runtimes and devices of the table that can be made on this machine."""

from collections.abc import Iterator

import pytest

from latency import sources
from latency.errors import LatencyError

ALWAYS = {
    ("torch", "cpu"),
    ("torch-compile", "cpu"),
    ("onnxruntime", "cpu"),
    ("litert", "cpu"),
    ("macs", "cpu"),
    ("macs", "simulated"),
}
"""Those that every machine has that runs the tests."""

SLOW = ("torch-compile",)
"""Runtimes that take minutes to get ready."""


def every_pair() -> Iterator[tuple[str, str]]:
    """Yield each runtime with each of its devices."""
    for runtime, devices in sources.RUNTIMES.items():
        yield from ((runtime, device) for device in devices)


def refusal(runtime: str, device: str) -> str | None:
    """Return why a runtime cannot be made here; None if it can."""
    try:
        sources.make(runtime, device)
    except LatencyError as error:
        return str(error)
    return None


def params(simulated: bool) -> list[object]:
    """Return a test parameter for each runtime and device that can be made here."""
    return [
        pytest.param(pair, marks=pytest.mark.slow if pair[0] in SLOW else (), id=":".join(pair))
        for pair in every_pair()
        if (simulated or pair[0] not in sources.SIMULATED) and refusal(*pair) is None
    ]
