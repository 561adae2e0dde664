"""Work and runtimes that move a clock of their own: no second passes, and times are exact."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from latency.errors import LatencyError
from latency.protocol import Protocol, Visit
from latency.runtimes.runtime import Piece, Prepared


@dataclass
class FakeTime:
    """Seconds, and the names of what ran, in order; one entry a pass, one a visit."""

    now_s: float = 0.0
    passes: list[str] = field(default_factory=list)
    visits: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


class FakeWork(Prepared):
    """Parts that take given milliseconds, ``factors`` times as long in one visit after another.

    in_passes: how many times as long in each of the first passes.
    """

    def __init__(
        self,
        name: str,
        time: FakeTime,
        stages: Sequence[Sequence[float]] = ((1.0,),),
        factors: Sequence[float] = (),
        in_passes: Sequence[float] = (),
    ) -> None:
        self.name, self.time, self.stages = name, time, stages
        self.closed, self.burns = 0, False
        self.parts = tuple(len(stage) for stage in stages)
        self._factors, self._factor = list(factors), 1.0
        self._in_passes = list(in_passes)

    def visit(self, visit: Visit, stages: int | None = None) -> list[list[float]]:
        self.time.visits.append(self.name)
        self._factor = self._factors.pop(0) if self._factors else 1.0
        return super().visit(visit, stages)

    def run(self, stages: int) -> list[float]:
        self.time.passes.append(self.name)
        factor = self._factor * (self._in_passes.pop(0) if self._in_passes else 1.0)
        taken = [factor * ms for stage in self.stages[:stages] for ms in stage]
        self.time.now_s += sum(taken) / 1000
        return taken

    def close(self) -> None:
        self.closed += 1
        if self.burns:
            raise OSError(f"{self.name} is on fire")


class FakeRuntime:
    """Every piece takes a millisecond; the piece at place ``fails`` cannot be prepared."""

    name, device = "fake", "desk"
    protocol = Protocol(rounds=3, warm_up=1, repeats=2)

    def __init__(self, shares_host: bool = True, fails: int | None = None) -> None:
        self.shares_host, self.fails = shares_host, fails
        self.time = FakeTime()
        self.prepared: list[FakeWork] = []
        self.seeds: list[int] = []

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        if len(self.prepared) == self.fails:
            raise LatencyError("the desk cannot run this")
        self.seeds.append(seed)
        stages = [[1.0] * len(stage.nodes) for stage in piece.stages]
        self.prepared.append(FakeWork(f"item{len(self.prepared)}", self.time, stages))
        return self.prepared[-1]

    def conditions(self) -> dict[str, Any]:
        return {"runtime": self.name, "device": self.device, "batch": 1, "threads": 1}
