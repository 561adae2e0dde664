"""A full disk ends no search: what cannot be written waits until somebody makes room."""

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Room:
    """On the disks that one search writes to.

    say: where one line goes when the waiting begins, and one when it has ended. check: called
    while it lasts, to raise where the search is to stop.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        check: Callable[[], None],
        sleep: Callable[[float], None] = time.sleep,
        pause_s: float = 1.0,
    ) -> None:
        self._say, self._check, self._sleep, self._pause_s = say, check, sleep, pause_s
        self._awaited = False

    def written(self, path: Path, step: Callable[[], T]) -> T:
        """Take a step that writes this file, whole or not at all; again where there is no room.

        Raises OSError for anything else that is wrong with the disk.
        """
        while True:
            try:
                result = step()
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                self.missing(f"{path} cannot be written ({error.strerror})")
            else:
                self.found()
                return result

    def missing(self, why: str) -> None:
        """Say why the search waits, once, and wait a moment."""
        if not self._awaited:
            self._say(f"{why}: the search waits until there is room")
        self._awaited = True
        self._check()
        self._sleep(self._pause_s)

    def found(self) -> None:
        """Say that it goes on, if it has waited."""
        if self._awaited:
            self._say("there is room again, the search goes on")
        self._awaited = False
