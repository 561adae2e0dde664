"""What the search asks of a place that runs trials."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nas import faults
from nas.faults import Fault

if TYPE_CHECKING:
    from nas.training.trial import TrialJob, TrialOutcome

Pause = Callable[[], AbstractContextManager[None]]  # entered around every batch


@dataclass(frozen=True, slots=True)
class Report:
    """How far a trial is.

    losses: of each epoch so far. left: what it can go on from after a fault, where that is news.
    """

    number: int
    losses: tuple[float, ...]
    left: bytes | None = None


ALONE = 1 << 60  # bytes: more than a node has, so that nothing is trained beside it

OnReport = Callable[[Report], None]


@dataclass(frozen=True, slots=True)
class Done:
    """The end of one attempt at a trial: what it brought, or why it failed."""

    number: int
    outcome: "TrialOutcome | None"
    fault: Fault | None


class Executor(Protocol):
    """Runs up to `capacity` trials at once."""

    @property
    def capacity(self) -> int: ...

    def fits(self, memory: int) -> bool:
        """Whether a worker that is free has so many bytes left on its node, or that to itself."""

    def submit(self, job: "TrialJob", begun: bytes | None = None, memory: int = 0) -> None:
        """Takes a job; only while fewer than `capacity` are under way.

        begun: what an attempt before it left, to go on from. memory: bytes that it is expected to
        take; only where that `fits`.
        """

    def completed(self, timeout: float) -> "list[Done]":
        """The trials that ended since the last call, waiting up to `timeout` seconds for one."""

    def close(self) -> None:
        """Ends all work at once; trials under way are lost."""


def attempt(
    job: "TrialJob",
    pause: Pause,
    on_report: OnReport,
    device: str = "cpu",
    begun: bytes | None = None,
) -> Done:
    """Runs one trial here; what goes wrong in it becomes its fault."""
    from nas.training import trial

    def ended(losses: tuple[float, ...], left: bytes | None) -> None:
        on_report(Report(job.number, losses, left))

    try:
        outcome = trial.run(job, pause, ended, device, begun=begun)
    except Exception as error:  # whatever a network does, the search goes on
        return Done(job.number, None, faults.of(error))
    return Done(job.number, outcome, None)
