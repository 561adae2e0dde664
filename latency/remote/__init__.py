"""Devices without Python, such as phones: files are copied there and a program there times them."""

from pathlib import Path

from latency.remote import device_file
from latency.remote.command_runtime import CommandRuntime
from latency.runtimes.runtime import Runtime


def open_device(path: Path) -> Runtime:
    """Return the runtime that a device file describes. Nothing is connected yet.

    Raises LatencyError, one line, for a file that is not there or says something wrong.
    """
    return CommandRuntime(device_file.load(path))
