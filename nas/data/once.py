"""Decoded once on a machine: the first process writes the file, all of them map it.

Locks are flock(2)'s, so that a process that dies lets go however it dies. Who maps a file shares
its lock for as long as it does; who writes one has the lock of its partial file, and a lock beside
it, on which the others wait. Nobody removes what is locked.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nas.data import decoded
from nas.data.decoded import Decoded, Wanted
from nas.data.room import LOCK, PARTIAL, SUFFIX, is_at, make_room
from nas.errors import UserError

Tell = Callable[[str], None]


def found(folder: Path, name: str) -> Decoded | None:
    """The images that were decoded under `name`, mapped; None if they were not, or are damaged."""
    path = folder / (name + SUFFIX)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        _refuse_others(folder)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not is_at(descriptor, path):  # removed in between
            return None
        with suppress(OSError):  # a disk that can only be read
            os.utime(descriptor)  # what was not used for longest is removed first
        return decoded.mapped(descriptor)
    finally:
        os.close(descriptor)


def made(folder: Path, name: str, wanted: Wanted, say: Tell) -> Decoded:
    """The images of `wanted`, decoded into a file unless another process has done so meanwhile.

    Raises:
        UserError: no room or no right to write there, or an image that cannot be read; nothing is
            left behind then.
    """
    path = folder / (name + SUFFIX)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_others(folder)
        while True:
            with _turn(path.with_suffix(LOCK), wanted.name, say):
                known = found(folder, name)
                if known is None:
                    _write(path, wanted, say)
            # Mapped by its name, as any other process does: it may be gone again for want of room.
            known = known or found(folder, name)
            if known is not None:
                return known
    except OSError as error:
        raise _cannot(folder, wanted, error.strerror or str(error)) from error


@contextmanager
def _turn(path: Path, name: str, say: Tell) -> Iterator[None]:
    """Inside, no other process decodes the same images."""
    with _locked(path, lambda: say(f"{name}: another process decodes the same images, waiting")):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # who waits for this file then locks a new one


@contextmanager
def _locked(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[int]:
    """A file that is made if need be, open, and locked by this process alone."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_at(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _write(path: Path, wanted: Wanted, say: Tell) -> None:
    images = sum(len(part.rows) for part in wanted.parts)
    partial = path.with_suffix(PARTIAL)
    missing = make_room(path.parent, wanted.bytes)
    if missing:
        raise _cannot(path.parent, wanted, f"{_size(missing)} more must be free")
    say(f"{wanted.name}: decoding {images:,} images once, {_size(wanted.bytes)} into {path}")
    try:
        with _locked(partial) as descriptor:
            os.posix_fallocate(descriptor, 0, wanted.bytes)  # a full disk shows now, not later
            with os.fdopen(os.dup(descriptor), "wb") as file:
                decoded.write(wanted, file)
            os.fchmod(descriptor, 0o400)
            os.fsync(descriptor)
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _refuse_others(folder: Path) -> None:
    """Who can change a mapped file changes what is trained on, or ends who reads it."""
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o022:
        raise UserError(
            f"{folder}: not a folder that only this user can write; remove it, "
            "or name another place in NAS_CACHE"
        )


def _cannot(folder: Path, wanted: Wanted, why: str) -> UserError:
    what = f"the decoded images of {wanted.name}, {_size(wanted.bytes)}"
    return UserError(
        f"{folder}: cannot keep {what} ({why}); free some room, "
        "or name a folder on another disk in NAS_CACHE"
    )


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
