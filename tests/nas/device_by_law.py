"""A device that needs no time: how long a block takes is a law over its work, without noise."""

from typing import Any

from latency.bench import DeviceLost, LocalBench
from latency.blocks import BlockKey
from latency.measuring import Measuring
from latency.model.work import of_block
from latency.protocol import Protocol
from latency.runtimes.runtime import Piece, Prepared
from search_spaces.operators import trace_block


class Lawful:
    """The runtime ``lawful``; ``factor`` makes it slower. After ``lasts`` pieces it is lost."""

    name = "lawful"
    protocol = Protocol(rounds=2, warm_up=1, repeats=1, most_rounds=2)
    shares_host = False

    def __init__(self, device: str = "bench", factor: float = 1.0) -> None:
        self.device, self.factor = device, factor
        self.lasts = 10**9
        self.prepared: list[Piece] = []

    @property
    def networks(self) -> int:
        """How many networks were measured, canaries not counted; they have several blocks."""
        every = sum(sum(map(len, blocks(piece))) > 1 for piece in self.prepared)
        return every - self.campaigns

    @property
    def campaigns(self) -> int:
        """How many there were: each begins with the canary, whose image no other piece has."""
        return sum(piece.inputs[0][1] == (3, 32, 32) for piece in self.prepared)

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        if len(self.prepared) >= self.lasts:
            raise DeviceLost("device 'bench': the cable was pulled")
        self.prepared.append(piece)
        return Timed(blocks(piece), self.factor)

    def conditions(self) -> dict[str, Any]:
        return {"runtime": self.name, "device": self.device, "batch": 1}


class Timed(Prepared):
    def __init__(self, stages: list[list[BlockKey]], factor: float) -> None:
        self.parts = (1,) * len(stages)
        self._ms = [factor * sum(map(block_ms, stage)) for stage in stages]

    def run(self, stages: int) -> list[float]:
        return self._ms[:stages]

    def close(self) -> None: ...


def block_ms(key: BlockKey) -> float:
    work = of_block(key)
    return 0.002 * work.operators + sum(work.macs) / 30 + work.moved_mb / 20


def blocks(piece: Piece) -> list[list[BlockKey]]:
    """The blocks of each stage on the shapes that they read."""
    shapes = dict(piece.inputs)
    stages = []
    for stage in piece.stages:
        keys = []
        for node in stage.nodes:
            key = BlockKey(node.spec, tuple(shapes[name] for name in node.inputs))
            shapes[node.name] = trace_block(key.spec, key.shapes).output
            keys.append(key)
        stages.append(keys)
    return stages


def source(runtime: Lawful) -> Measuring:
    return Measuring(LocalBench(runtime))
