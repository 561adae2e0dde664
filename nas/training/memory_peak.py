"""How much memory a training took, at most, beyond what its process had before."""

import ctypes
from contextlib import suppress
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")
_FORGET = "5"  # the highest value so far (proc(5), clear_refs)


class Peak:
    """From the time it is made. On a CPU of the whole process, on a GPU of torch's tensors.

    Files that are mapped, such as images, do not count: the system may have their memory back.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._before: int | None = None
        if device != "cpu":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
            self._before = torch.cuda.memory_allocated(device)
            return
        give_back()
        with suppress(OSError):  # not Linux, or forbidden
            (_PROCESS / "clear_refs").write_text(_FORGET)
            self._before, self._mapped = _status("VmRSS"), _mapped()

    @property
    def bytes(self) -> int | None:
        """So far; None where it cannot be known."""
        if self._before is None:
            return None
        if self._device != "cpu":
            return torch.cuda.max_memory_allocated(self._device) - self._before
        mapped = max(0, _mapped() - self._mapped)
        return max(0, _status("VmHWM") - self._before - mapped)


def resident() -> int:
    """Bytes that only this process has in memory. Raises OSError where it cannot be known."""
    return _status("RssAnon")


def give_back() -> None:
    """Let the system have what a training used; glibc keeps it for the next one otherwise."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _mapped() -> int:
    """Bytes of files that this process has in memory. Raises OSError."""
    return _status("RssFile") + _status("RssShmem")


def _status(name: str) -> int:
    """A line of the process's status, in bytes. Raises OSError."""
    for line in (_PROCESS / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name}")
