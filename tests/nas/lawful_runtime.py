"""A runtime without a clock: every stage takes what the law of ``latency.macs`` says of it.

What is measured with it adds up exactly, so a latency model of it must be nearly right.
"""

from typing import Any

from latency.macs import operator_ms
from latency.protocol import Protocol
from latency.runtimes.runtime import Piece, Prepared
from search_spaces.operators import trace_block

NAME = "lawful"
WHERE = {"cpu": f"{__name__}:Lawful"}


class Lawful:
    """``version`` is a fact of its fingerprint; a ``restless`` one is slow in every second pass."""

    name = NAME
    protocol = Protocol(rounds=2, warm_up=1, repeats=2, most_rounds=2)
    shares_host = False
    version = 1
    restless = False

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        return ByLaw(piece, self.restless)

    def conditions(self) -> dict[str, Any]:
        return {"runtime": self.name, "device": self.device, "version": self.version}


class ByLaw(Prepared):
    def __init__(self, piece: Piece, restless: bool) -> None:
        self.parts = (1,) * len(piece.stages)
        self._ms, self._restless, self._passes = [], restless, 0
        shapes = dict(piece.inputs)
        for stage in piece.stages:
            ms = 0.0
            for node in stage.nodes:
                trace = trace_block(node.spec, tuple(shapes[name] for name in node.inputs))
                shapes[node.name] = trace.output
                ms += sum(map(operator_ms, trace.operators))
            self._ms.append(ms)

    def run(self, stages: int) -> list[float]:
        self._passes += 1
        slow = 2 if self._restless and self._passes % 2 else 1
        return [slow * ms for ms in self._ms[:stages]]

    def close(self) -> None: ...
