"""The machine that a measurement was made on, in a line."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def processor() -> str:
    """The name that the CPU gives itself."""
    listing = Path("/proc/cpuinfo")
    names = listing.read_text().splitlines() if listing.is_file() else []
    return next((n.split(":")[1].strip() for n in names if "model name" in n), platform.machine())


def machine() -> str:
    """Processor, cores and the versions that decide how fast it is."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "ray", "optuna"))
    return f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {libraries}"
