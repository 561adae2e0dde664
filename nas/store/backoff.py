"""A database that does not answer for a while is asked again, up to a limit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from nas.room import Room
from nas.store import faults
from nas.store.errors import DiskFull, Unwritable

T = TypeVar("T")


def _unheard(line: str) -> None:
    """Says nothing."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to ask again: after `first_s`, then twice as long each time, `longest_s` at most.

    say: where one line goes when the waiting begins, and one when it has ended well. room: who
    waits where the disk is full, for as long as it takes; None where nobody does.
    """

    total_s: float = 120.0
    first_s: float = 0.05
    longest_s: float = 5.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = _unheard
    room: Room | None = None


def persist(step: Callable[[], T], where: str, backoff: Backoff) -> T:
    """The result of a step that may be taken twice.

    Raises DiskFull at once where nobody waits for room; Unwritable for what lasts too long, or is
    no matter of time.
    """
    began, pause = backoff.clock(), backoff.first_s
    waiting = False
    while True:
        try:
            result = step()
        except DBAPIError as error:
            fault, why = faults.of(error), faults.why(error)
            if fault == "full":
                if backoff.room is None:
                    raise DiskFull(
                        f"the trials in {where} cannot be written ({why}); make room there"
                    ) from None
                backoff.room.missing(f"the trials in {where} cannot be written ({why})")
                began, pause, waiting = backoff.clock(), backoff.first_s, False
                continue
            if fault == "lasting" or backoff.clock() - began >= backoff.total_s:
                raise Unwritable(f"the trials in {where} cannot be written ({why})") from None
            if not waiting:
                backoff.say(f"{where} does not answer ({why}); asking again")
            waiting = True
            backoff.sleep(pause)
            pause = min(2 * pause, backoff.longest_s)
        else:
            if waiting:
                backoff.say(f"{where} answers again")
            if backoff.room is not None:
                backoff.room.found()
            return result
