"""One epoch in a process of its own, which the system may give little memory.

python -m tests.nas.bounded_training IMAGES.npz BYTES prints the SHA-256 of what was learnt, whether
the images were mapped, and the peak of the memory that is the process's own.

BYTES: that it may allocate; 0: any number, and all images are held in memory.
"""

import hashlib
import resource
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np

PART = 1024  # images made at once
CLASSES = 4


def write(path: Path, count: int, side: int) -> int:
    """Write `count` train images in the colours of their classes; returns their bytes."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % CLASSES
    with ZipFile(path, "w") as archive:
        with archive.open("train_images.npy", "w", force_zip64=True) as file:
            shape = (count, side, side, 3)
            head = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, head)
            for start in range(0, count, PART):
                here = labels[start : start + PART]
                noise = np.frombuffer(rng.bytes(len(here) * side * side * 3), np.uint8) >> 1
                colours = (here * 30).astype(np.uint8)[:, None, None, None]
                file.write((noise.reshape(-1, side, side, 3) + colours).data)
        few = {"train_labels": labels, "test_labels": labels[:8]}
        few["test_images"] = np.zeros((8, side, side, 3), np.uint8)
        for key, array in few.items():
            with archive.open(f"{key}.npy", "w") as file:
                np.lib.format.write_array(file, array)
    return count * side * side * 3


def _train(path: str, memory: int | None) -> tuple[str, bool]:
    from torch import nn

    from nas.data.dataset import DataSpec
    from nas.data.load import load
    from nas.training.evaluate import evaluate
    from nas.training.recipe import Recipe
    from nas.training.train import train
    from nas.training.weights import to_bytes
    from search_spaces.blocks import BlockGraph, BlockSpec, Node
    from search_spaces.network import StagedNetwork, initialise

    @dataclass(frozen=True)
    class Coarse(BlockSpec):
        classes: int

        def module(self) -> nn.Module:
            seen = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), nn.BatchNorm2d(8), nn.ReLU())
            return nn.Sequential(
                seen, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, self.classes)
            )

    data = load(DataSpec(path), memory=memory)
    graph = BlockGraph(data.image, CLASSES, (Node("only", Coarse(CLASSES), ("x",)),), ("only",))
    network = StagedNetwork(graph)
    initialise(network, 0)
    losses = train(network, data, Recipe(epochs=1, crop=2, flip=True), seed=0).losses
    found = evaluate(network, data.held_out, data.mean, data.std)
    seen = hashlib.sha256(to_bytes(network) + repr(losses).encode() + found.confidence.tobytes())
    return seen.hexdigest(), data.train.mapped


def _own_memory() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if "RssAnon" in line)


def main(path: str, limit: int) -> None:
    """Train and print what was found."""
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    peak, ended = _own_memory(), threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.02):
            peak = max(peak, _own_memory())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        weights, mapped = _train(path, None if limit else 1 << 50)
    finally:
        ended.set()
        watching.join()
    print(weights, mapped, peak)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
