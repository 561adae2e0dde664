"""The machine that a measurement was made on, in a line."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from latency.host import cpu_model


def processor() -> str:
    """The name that the kernel gives the CPU, else its kind."""
    return cpu_model(Path("/")) or platform.machine()


def machine() -> str:
    """Processor, cores and the versions that decide how fast it is."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "ray", "optuna"))
    return f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {libraries}"


def machines(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Say which machines made the units of an experiment, as their facts tell."""
    return "Machine: " + "; ".join(sorted({facts["machine"] for facts in found.values()})) + "."
