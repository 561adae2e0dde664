"""One trial of a run, as it was recorded."""

from dataclasses import dataclass
from typing import Literal, get_args

from nas.measurement import Measurement
from search_spaces.architecture import Architecture

State = Literal["complete", "failed", "pruned", "running"]


@dataclass(frozen=True, slots=True, eq=False)
class TrialRecord:
    """Trial `trial` of a run.

    A complete trial has an architecture and a measurement; `reused_from` names the earlier trial
    whose measurement it shares because both propose the same network. `error` is one line.
    """

    trial: int
    state: State
    architecture: Architecture | None
    measurement: Measurement | None = None
    reused_from: int | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        assert self.state in get_args(State), self.state
        finished = self.architecture is not None and self.measurement is not None
        assert finished or self.state != "complete", f"trial {self.trial} has no measurement"
