"""One trial of a run, as it was recorded."""

from dataclasses import dataclass
from typing import Literal, get_args

from nas.measurement import Measurement
from search_spaces.architecture import Architecture

State = Literal["complete", "failed", "pruned", "running"]


@dataclass(frozen=True, slots=True, eq=False)
class TrialRecord:
    """Trial `trial` of a run.

    A complete trial has an architecture and a measurement, and so has a pruned one that was stopped
    early; one that was not to be trained has none. `reused_from` names the earlier trial whose
    measurement it shares because both propose the same network, `continues` the one whose training
    it takes up. `error` is one line, `reason` a word of `nas.faults`.
    """

    trial: int
    state: State
    architecture: Architecture | None
    measurement: Measurement | None = None
    reused_from: int | None = None
    error: str | None = None
    reason: str | None = None
    continues: int | None = None

    def __post_init__(self) -> None:
        assert self.state in get_args(State), self.state
        finished = self.architecture is not None and self.measurement is not None
        assert finished or self.state != "complete", f"trial {self.trial} has no measurement"

    @property
    def is_declined(self) -> bool:
        """Whether it was pruned before any training."""
        return self.state == "pruned" and self.measurement is None

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped early."""
        return self.state == "pruned" and self.measurement is not None

    @property
    def is_counted(self) -> bool:
        """Whether it is one of those that a search is asked for."""
        return not self.is_declined and self.continues is None
