"""A runtime that runs nothing: how long it takes and where it dies is written in a folder.

It stands for what happens on other hosts. The device is the folder; a piece is known by the side
of its image, which is also its time in milliseconds.
"""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from latency.errors import LatencyError
from latency.protocol import Protocol
from latency.runtimes.runtime import Piece, Prepared

NAME = "paced"
CANARY = 32


def piece(side: int) -> Piece:
    return Piece((), (("x", (3, side, side)),))


def install(site: Path) -> None:
    """Write what pip would write of a package that declares the runtime."""
    info = site / "paced-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: paced\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[nas.runtimes]\n{NAME} = {__name__}:Paced\n")


def order(folder: Path, **orders: Any) -> None:
    """Say what is to happen: ``slow`` seconds of each passage, ``deaths`` left at ``side``."""
    (folder / "orders.json").write_text(json.dumps(orders))


def told(folder: Path) -> list[tuple[int, int, float]]:
    """Return what was done: (process, side, moment); the canary begins and ends a measurement."""
    lines = (folder / "told").read_text().splitlines()
    rows = [line.split() for line in lines]
    return [(int(pid), int(side), float(moment)) for pid, side, moment in rows]


class Paced:
    name = NAME
    protocol = Protocol(rounds=1, warm_up=0, repeats=1, most_rounds=1)
    shares_host = False

    def __init__(self, device: str) -> None:
        self.device, self._folder = device, Path(device)

    def prepare(self, piece: Piece, seed: int) -> Prepared:
        side = piece.inputs[0][1][1]
        self._obey(side)
        with (self._folder / "told").open("a") as lines:
            lines.write(f"{os.getpid()} {side} {time.monotonic()}\n")
        return Pause(side)

    def conditions(self) -> dict[str, Any]:
        return {"runtime": self.name, "device": self.device, "batch": 1}

    def _obey(self, side: int) -> None:
        path = self._folder / "orders.json"
        orders = json.loads(path.read_text()) if path.exists() else {}
        if side == orders.get("refused"):
            raise LatencyError(f"side {side} is refused")
        if side == orders.get("side") and orders["deaths"] > 0:
            order(self._folder, **orders | {"deaths": orders["deaths"] - 1})
            os.kill(os.getpid(), signal.SIGKILL)
        if side != CANARY:
            time.sleep(orders.get("slow", 0))


class Pause(Prepared):
    parts = (1,)

    def __init__(self, side: int) -> None:
        self._side = side

    def run(self, stages: int) -> list[float]:
        return [float(self._side)]

    def close(self) -> None: ...
