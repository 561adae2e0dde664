"""Who listens where, from Linux's own tables: /proc/net/tcp, and the open files of processes."""

import ipaddress
import struct
from collections.abc import Iterable
from pathlib import Path

LISTENS = "0A"
PROC = Path("/proc")


def listening(pids: Iterable[int]) -> set[tuple[str, int]]:
    """Address and port of all sockets on which these processes wait for connections."""
    own = {inode for pid in pids for inode in _inodes(pid)}
    return {(host, port) for inode, host, port in _listeners() if inode in own}


def tree(root: int) -> set[int]:
    """A process and all that descend from it."""
    parents = {pid: _parent(pid) for pid in _processes()}
    found = {root}
    while new := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= new
    return found


def foreign(addresses: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those that other machines can reach."""
    return {each for each in addresses if not ipaddress.ip_address(each[0]).is_loopback}


def _listeners() -> Iterable[tuple[str, str, int]]:
    for table in ("tcp", "tcp6"):
        path = PROC / "net" / table
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            fields = line.split()
            if fields[3] == LISTENS:
                host, port = fields[1].split(":")
                yield fields[9], _address(host), int(port, 16)


def _address(text: str) -> str:
    """An address as the kernel writes it: words of 32 bits in the order of this machine."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    found = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _inodes(pid: int) -> Iterable[str]:
    try:
        handles = list((PROC / str(pid) / "fd").iterdir())
    except OSError:  # it has ended
        return
    for handle in handles:
        try:
            target = str(handle.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def _processes() -> Iterable[int]:
    return (int(each.name) for each in PROC.iterdir() if each.name.isdigit())


def _parent(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
