"""What the search asks of a place that runs trials."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nas.training.trial import TrialJob, TrialOutcome

OnEpoch = Callable[[int, tuple[float, ...]], None]  # trial number, loss of each epoch so far
Pause = Callable[[], AbstractContextManager[None]]  # entered around every batch

_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Done:
    """The end of one trial: what it brought, or why it failed in one line."""

    number: int
    outcome: "TrialOutcome | None"
    error: str | None


class Executor(Protocol):
    """Runs up to `capacity` trials at once."""

    @property
    def capacity(self) -> int: ...

    def submit(self, job: "TrialJob") -> None:
        """Takes a job; only while fewer than `capacity` are under way."""

    def completed(self, timeout: float) -> "list[Done]":
        """The trials that ended since the last call, waiting up to `timeout` seconds for one."""

    def close(self) -> None:
        """Ends all work at once; trials under way are lost."""


def attempt(job: "TrialJob", pause: Pause, on_epoch: OnEpoch, device: str = "cpu") -> Done:
    """Runs one trial here; what goes wrong in it becomes its reason."""
    from nas.training import trial

    losses: list[float] = []

    def ended(epoch: int, loss: float) -> None:
        losses.append(loss)
        on_epoch(job.number, tuple(losses))

    try:
        outcome = trial.run(job, pause, ended, device)
    except Exception as error:  # whatever a network does, the search goes on
        return Done(job.number, None, reason(error))
    return Done(job.number, outcome, None)


def reason(error: BaseException) -> str:
    """One line for the record: the kind of error and what it says first."""
    said = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    return text[:_LONGEST_REASON]
