"""Claim: with ``checkpoint`` the memory that training a DenseNet takes grows linearly in its depth.

Run: OMP_NUM_THREADS=1 python -m benchmarks.densenet_memory [BATCH ...]  (minutes on one core;
without batch sizes: 8 and 64, the paper's)

DenseNet and DenseNet-BC (k = 12) of 40, 70, 100 and 190 layers on 32x32 images, 10 classes: peak
bytes of one training step (forward, loss, backward), and the exponent of depth that fits them best
(least squares of logarithms). Bytes are those of tensors alive after each operation of torch, its
gradients' and temporary tensors included, counted on the meta device: exact, the same on every
machine, for any batch, without arithmetic. Not counted: the scratch memory that kernels hold while
they run, and the optimiser's momentum (one more tensor per parameter). ``activations`` leaves out
parameters, BatchNorm's statistics and the gradients of parameters, which depend on the network and
not on how it is trained. Times are CPU seconds of real steps.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from search_spaces.architecture import Architecture
from search_spaces.densenet import DENSENET, densenet
from search_spaces.network import StagedNetwork

LAYERS = (40, 70, 100, 190)
BATCHES, TIMED_BATCH = (8, 64), 8
IMAGE, CLASSES = (3, 32, 32), 10
COLUMNS = ("whole", "activations", "saved")


class LiveBytes(TorchDispatchMode):
    """While entered, counts the bytes of the tensors that operations make, as long as they live."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[StorageWeakRef, int] = {}
        self._bound = 0  # what lives, and what has died since it was last looked for
        self._settled: dict[StorageWeakRef, int] = {}
        self._settled_bytes = 0
        self.peak = self.peak_activations = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operation; remember what it made."""
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor)
        if self._bound > self.peak_activations or self._settled_bytes + self._bound > self.peak:
            self.peak_activations = max(self.peak_activations, self.activations())
            self.peak = max(self.peak, self._settled_bytes + self._bound)
        return result

    def activations(self) -> int:
        """Return the bytes alive now that are not settled."""
        self._made = {ref: size for ref, size in self._made.items() if not ref.expired()}
        self._bound = sum(self._made.values())
        return self._bound

    def settle(self, tensor: Tensor) -> None:
        """Count a parameter, a buffer or a gradient, which stays, apart from activations."""
        ref, size = _storage(tensor)
        self._bound -= self._made.pop(ref, 0)
        self._settled_bytes += size - self._settled.get(ref, 0)
        self._settled[ref] = size

    def _count(self, tensor: Tensor) -> None:
        ref, size = _storage(tensor)
        if ref not in self._settled and ref not in self._made:
            self._made[ref] = size
            self._bound += size


def _storage(tensor: Tensor) -> tuple[StorageWeakRef, int]:
    storage = tensor.untyped_storage()
    return StorageWeakRef(storage), storage.nbytes()


@dataclass(frozen=True, slots=True)
class Peaks:
    """Bytes: of all tensors, of activations alone, and of what lives when backward begins."""

    whole: int
    activations: int
    saved: int


def peaks(architecture: Architecture, batch: int, checkpoint: bool, device: str = "meta") -> Peaks:
    """Return the memory of one training step."""
    network, x, y = _step_of(architecture, batch, checkpoint, device)
    with LiveBytes() as live:
        for tensor in (*network.parameters(), *network.buffers()):
            live.settle(tensor)
        for parameter in network.parameters():
            parameter.register_post_accumulate_grad_hook(lambda p: live.settle(p.grad))
        loss = torch.stack(network.training_losses(x, y)).sum()
        saved = live.activations()
        loss.backward()
    return Peaks(live.peak, live.peak_activations, saved)


def seconds(architecture: Architecture, batch: int, rounds: int = 3) -> tuple[float, float]:
    """Return the CPU time of a training step with checkpoint and without, medians of ``rounds``.

    Both take turns; a first round is not counted. CPU time, since other processes do not add to it.
    """
    times: dict[bool, list[float]] = {True: [], False: []}
    steps = {c: _step_of(architecture, batch, c, "cpu") for c in times}
    for _ in range(rounds + 1):
        for checkpoint, (network, x, y) in steps.items():
            network.zero_grad(set_to_none=True)
            start = time.process_time()
            torch.stack(network.training_losses(x, y)).sum().backward()
            times[checkpoint].append(time.process_time() - start)
    return median(times[True][1:]), median(times[False][1:])


def exponent(sizes: list[int]) -> float:
    """Return b of the law size = a * layers^b that fits best."""
    depths = [math.log(layers) for layers in LAYERS]
    logs = [math.log(size) for size in sizes]
    centre, level = sum(depths) / len(depths), sum(logs) / len(logs)
    above = sum((d - centre) * (v - level) for d, v in zip(depths, logs, strict=True))
    return above / sum((d - centre) ** 2 for d in depths)


def _step_of(
    architecture: Architecture, batch: int, checkpoint: bool, device: str
) -> tuple[StagedNetwork, Tensor, Tensor]:
    network = DENSENET.build(architecture, IMAGE, CLASSES, checkpoint=checkpoint).train()
    x = torch.zeros(batch, *IMAGE, device=device)
    return network.to(device), x, torch.zeros(batch, dtype=torch.long, device=device)


def plain_densenet(layers: int) -> Architecture:
    """Return the DenseNet of the paper's section 4.2, k = 12: no bottlenecks, no compression."""
    blocks = ((layers - 4) // 3,) * 3
    return densenet(blocks, 12, 16, bottleneck=None, compression=1.0, stem="cifar")


def densenet_bc(layers: int) -> Architecture:
    """Return the DenseNet-BC of the paper's section 4.2, k = 12."""
    return densenet(((layers - 4) // 6,) * 3, 12, 24, stem="cifar")


def report(family: Callable[[int], Architecture], batch: int) -> None:
    """Print the peaks of a family with and without checkpoint, and their exponents."""
    found = {
        checkpoint: [peaks(family(layers), batch, checkpoint) for layers in LAYERS]
        for checkpoint in (False, True)
    }
    print(f"\n{family.__name__}, batch {batch}, peak MB of one step (with checkpoint | without)")
    print(f"{'layers':>10} {'all tensors':>21} {'activations':>21} {'kept for backward':>21}")
    for index, layers in enumerate(LAYERS):
        pairs = ((getattr(found[c][index], name) / 1e6 for c in (True, False)) for name in COLUMNS)
        print(f"{layers:>10}", *(f"{small:>9.1f} | {large:>9.1f}" for small, large in pairs))
    fits = (
        (exponent([getattr(p, name) for p in found[c]]) for c in (True, False)) for name in COLUMNS
    )
    print(f"{'exponent':>10}", *(f"{small:>9.2f} | {large:>9.2f}" for small, large in fits))


def report_times(batch: int) -> None:
    """Print how much longer a step with checkpoint takes."""
    threads = torch.get_num_threads()
    print(f"densenet_bc, batch {batch}, {threads} thread(s), CPU seconds of one step")
    print(f"{'layers':>10} {'with checkpoint':>16} {'without':>9} {'ratio':>7}")
    for layers in LAYERS:
        saving, plain = seconds(densenet_bc(layers), batch)
        print(f"{layers:>10} {saving:>16.2f} {plain:>9.2f} {saving / plain:>7.2f}")


if __name__ == "__main__":
    report_times(TIMED_BATCH)
    for batch in [int(text) for text in sys.argv[1:]] or BATCHES:
        report(densenet_bc, batch)
        report(plain_densenet, batch)
