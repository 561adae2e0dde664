"""What a figure measured on this host depends on, read from Linux; unreadable facts are None."""

import os
import platform
from pathlib import Path
from typing import Any


def facts(root: Path = Path("/")) -> dict[str, Any]:
    """Return processor, caches, governor, kernel and cores of the host whose files are at root."""
    return {
        "cpu": cpu_model(root),
        "caches": caches(root),
        "governor": governor(root),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def load_average() -> list[float]:
    """Return the mean number of runnable processes over the last 1, 5 and 15 minutes."""
    return [round(load, 2) for load in os.getloadavg()]


def cpu_model(root: Path) -> str | None:
    """Return the name of the processor as the kernel gives it; ARM kernels mostly give none."""
    for line in (_read(root / "proc/cpuinfo") or "").splitlines():
        field, _, value = line.partition(":")
        if field.strip().lower() in ("model name", "hardware", "cpu model"):
            return value.strip()
    return None


def caches(root: Path) -> dict[str, str] | None:
    """Return the size of each cache of the first core, such as ``{"L1 data": "32K"}``."""
    found = {}
    for index in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_read(index / name) for name in ("level", "type", "size"))
        if level and kind and size:
            found[f"L{level} {kind.lower()}"] = size
    return found or None


def governor(root: Path) -> str | None:
    """Return how the kernel chooses the clock of the first core, such as ``performance``."""
    return _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
