"""Why a trial failed: the kinds of faults, and which of them are worth another attempt.

What a machine does to a training says nothing of the network: it is tried again, from where it was
left, and no controller hears of it. What the network does to its training it will do again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Reason = Literal["nan", "inf", "oom", "timeout", "exception", "worker-died", "node-lost", "invalid"]

ATTEMPTS: Mapping[Reason, int] = {"worker-died": 3, "node-lost": 5, "timeout": 2, "oom": 2}
"""How often a trial is begun or taken up before a fault of this kind ends it; others end it at
once."""

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an attempt ended. said: one line."""

    reason: Reason
    said: str


def of(error: BaseException) -> Fault:
    """The fault that an exception of a training means."""
    return Fault(_reason(error), one_line(error))


def one_line(error: BaseException) -> str:
    """One line for the record: the kind of error and what it says first."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text[:_LONGEST]


def _reason(error: BaseException) -> Reason:
    from nas.errors import UserError
    from nas.training.errors import TrainingDiverged
    from search_spaces.errors import SpaceError

    if isinstance(error, TrainingDiverged):
        return error.kind
    # torch.OutOfMemoryError, by its name: a driver that only reads has not loaded torch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "oom"
    if isinstance(error, RuntimeError) and "not enough memory" in str(error):  # torch, on a CPU
        return "oom"
    if isinstance(error, TimeoutError):
        return "timeout"
    return "invalid" if isinstance(error, UserError | SpaceError) else "exception"
