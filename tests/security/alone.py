"""A place without a network, another user's, whose home folder cannot be written: run as root.

    python tests/security/alone.py USER COMMAND...

It must stand in network and mount namespaces of its own (`unshare --net --mount`). Python may be
installed where only root can look, as in /root; such folders are shown to the user here, and
nothing else of what lies beside them.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

UP = 0x1
GET_FLAGS, SET_FLAGS = 0x8913, 0x8914


def loopback_up() -> None:
    """In a new namespace even 127.0.0.1 is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("16xH", fcntl.ioctl(asked, GET_FLAGS, request))
        fcntl.ioctl(asked, SET_FLAGS, struct.pack("16sH14x", b"lo", flags | UP))


def show(folders: list[Path]) -> None:
    """Let everybody look into `folders`, where an outer folder of one is closed to them."""
    hidden = {folder: _closed(folder) for folder in folders if _closed(folder) is not None}
    kept = {folder: tempfile.mkdtemp(prefix="nas-alone-") for folder in hidden}
    for folder, place in kept.items():
        _mount("--bind", str(folder), place)
    for closed in dict.fromkeys(hidden.values()):
        _mount("-t", "tmpfs", "-o", "mode=755", "none", str(closed))
    for folder, place in kept.items():
        folder.mkdir(parents=True, mode=0o755)
        _mount("--bind", place, str(folder))


def _closed(folder: Path) -> Path | None:
    """The outermost folder on the way that others may not enter."""
    closed = [each for each in folder.parents if each.stat().st_mode & 0o001 == 0]
    return closed[-1] if closed else None


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main() -> None:
    """Become the user and the command."""
    user = int(sys.argv[1])
    loopback_up()
    ours = Path(__file__).resolve().parents[2]
    show(list(dict.fromkeys((Path(sys.base_prefix), Path(sys.prefix), ours))))
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
