"""How much memory this process may use."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

_VERSION_2, _VERSION_1 = "memory.max", "memory.limit_in_bytes"
_USED = {_VERSION_2: "memory.current", _VERSION_1: "memory.usage_in_bytes"}


def allowed(root: Path = Path("/")) -> int:
    """Bytes: what the machine has free, or less where a control group or a limit says so.

    root: where `proc` and `sys` are.
    """
    return min((_available(root), *_of_groups(root), *_of_process()))


def left(root: Path = Path("/")) -> int:
    """Bytes: what the machine has free, or what a control group or a limit leaves of it.

    Files that a group has read do not count as taken: the system gives them up for programs.
    """
    return max(0, min((_available(root), *_left_by_groups(root), *_of_process())))


def _available(root: Path) -> int:
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _of_process() -> Iterator[int]:
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY:
        yield soft


def _of_groups(root: Path) -> Iterator[int]:
    for folder, name in _groups(root):
        yield from _number(folder / name)


def _left_by_groups(root: Path) -> Iterator[int]:
    for folder, name in _groups(root):
        for limit in _number(folder / name):
            yield limit - sum(_number(folder / _USED[name])) + _files(folder / "memory.stat")


def _groups(root: Path) -> Iterator[tuple[Path, str]]:
    """The process's control group and those above it, of either version, with a limit's name."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = root / "sys/fs/cgroup", _VERSION_2
        elif "memory" in controllers.split(","):
            base, name = root / "sys/fs/cgroup/memory", _VERSION_1
        else:
            continue
        # Inside a container the path may be the host's; then only the top is there to be read.
        here = base / path.lstrip("/")
        for group in (here, *here.parents):
            if group.is_relative_to(base):
                yield group, name


def _files(listing: Path) -> int:
    """Bytes of files that a group and those below it have read and not used lately."""
    try:
        counts = dict(line.split() for line in listing.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    # Version 1 has the sum with all groups below under a name of its own.
    return int(counts.get("total_inactive_file", counts.get("inactive_file", 0)))


def _number(file: Path) -> Iterator[int]:
    try:
        text = file.read_text().strip()
    except OSError:
        return
    if text.isdigit():  # or "max"
        yield int(text)
