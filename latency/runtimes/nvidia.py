"""What ``nvidia-smi`` says of a GPU: what it is, and how it is doing."""

import subprocess
from typing import Any

IDENTITY = ("name", "driver_version", "power.limit", "clocks.max.sm", "clocks.max.memory")
"""Facts that stay the same while nobody sets up the machine anew: watts and MHz."""
STATE = (
    "clocks.sm",
    "clocks.memory",
    "clocks_throttle_reasons.active",
    "temperature.gpu",
    "power.draw",
)
"""Facts of the moment: MHz, a bit mask of what holds clocks down, degrees Celsius, watts."""
SECONDS = 10


def query(gpu: str, fields: tuple[str, ...], program: str = "nvidia-smi") -> dict[str, Any]:
    """Return the fields of a GPU, given by its UUID; each is None where it cannot be had."""
    command = [program, f"--id={gpu}", f"--query-gpu={','.join(fields)}"]
    try:
        said = subprocess.run(
            [*command, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return dict.fromkeys(fields)
    values = [_value(text.strip()) for text in said.strip().split(",")]
    return (
        dict(zip(fields, values, strict=True))
        if len(values) == len(fields)
        else dict.fromkeys(fields)
    )


def _value(text: str) -> str | float | None:
    """A number where it is one; what the driver does not know stands in brackets."""
    if text.startswith("["):
        return None
    try:
        return float(text)
    except ValueError:
        return text
