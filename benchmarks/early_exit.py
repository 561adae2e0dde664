"""Claim: leaving early saves nearly the time that the work left out would have taken.

Run: OMP_NUM_THREADS=1 python -m benchmarks.early_exit TRAINED [--batches 1,8,64,256]
[--seconds 120] [--clock wall] [-o FILE.md]  (that many seconds per batch size, on one core)

TRAINED: what `nas train` writes, or any config with weights whose data is still there. Policies
spend a half and a third of the whole network's MACs on the held-out images; timed are the test
images, in random order. The arms, all in one process and on the same images, take turns batch by
batch:

- plain: ``network(x)``; again: the same, to see the noise
- stages: the same stage by stage, the time noted after each: T_k(B), what it takes to run B images
  statically to exit k, as one batch
- 1/2, 1/3: ``classify`` under the two policies; masked: every stage on every image, then the policy
- streams: ``classify_many`` under the two policies, on the round's batches one after another
- never: ``classify`` under the policy that lets nobody leave; tested: likewise, but with every
  exit's confidence tested

A round is as many batches as make 128 images, and at least four. Speed-up is T_K / the time of an
arm, the bound T_K / sum_k share_k T_k, share_k being the part of the round's images that leave at
exit k, and the bound of MACs the same with MACs for times. Shown are medians over the rounds of
these ratios, and for "of the bound" the middle half: what disturbs the machine spoils a round, or
all arms of it alike. The last columns say what makes ``classify`` slower than its bound, in % of
its time: stages that run on fewer images than B, and everything outside stages (tests, copies).

``--clock cpu`` counts CPU seconds of the one thread instead: for a machine that others use too.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.hardware import processor
from latency.runtimes.torch_eager import quiet
from nas import atomic
from nas.data.dataset import Split
from nas.data.load import load, load_test
from nas.exits import NEVER
from nas.exits.budget import budgeted_policy
from nas.exits.confidence import judged
from nas.inference.execution import Leaving, classify, classify_many, masked
from nas.inference.pixels import prepared
from nas.inference.trained import Trained, open_trained
from nas.training.evaluate import answers
from search_spaces.operators import costs

BUDGETS = {"1/2": 1 / 2, "1/3": 1 / 3}  # of the network's MACs
ROUND, FEWEST = 128, 4  # images, batches
HELD_OUT = 2000  # images: enough to set thresholds
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}
Arm = Callable[[Tensor], Any]
Thresholds = tuple[float, ...]
Times = dict[str, np.ndarray]
"""What the parts of a round took, by name, in seconds: one for each batch, or one in all."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A network, its policies by name, the cumulative MACs of its exits, the images, the clock."""

    trained: Trained
    policies: dict[str, Thresholds]
    macs: np.ndarray
    images: Tensor
    clock: Callable[[], float]

    def arms(self) -> dict[str, Arm]:
        """Name what is timed as a whole."""
        network, temperatures = self.trained.network, self.trained.temperatures
        early = len(self.macs) - 1

        def dynamic(thresholds: Thresholds) -> Arm:
            return lambda x: classify(network, x, thresholds, temperatures)

        return {
            "plain": network,
            "again": network,
            "masked": lambda x: masked(network, x, self.policies["1/2"], temperatures),
            "never": dynamic((NEVER,) * early + (0.0,)),
            "tested": dynamic((1.0,) * early + (0.0,)),
            **{name: dynamic(thresholds) for name, thresholds in self.policies.items()},
        }

    def round(self, batches: Sequence[Tensor], rng: np.random.Generator) -> Times:
        """Run every arm on every batch (rows of images), arms in random order; sum the times."""
        arms = self.arms()
        spent: dict[str, list[float]] = {}
        left = {name: np.zeros(len(self.macs)) for name in self.policies}
        stages = np.zeros(len(self.macs))

        def timed(name: str, run: Callable[[], Any]) -> Any:
            start = self.clock()
            found = run()
            spent.setdefault(name, []).append(self.clock() - start)
            return found

        for rows in batches:
            x = self.images[rows].contiguous(memory_format=torch.channels_last)
            for name in rng.permutation([*arms, "stages", "inside"]).tolist():
                if name == "stages":
                    stages += self._stages(x)
                elif name == "inside":
                    for policy in self.policies:
                        inside = self._inside(arms[policy], x)
                        spent.setdefault(f"inside {policy}", []).append(inside)
                else:
                    found = timed(name, partial(arms[name], x))
                    if name in left:
                        left[name] += np.bincount(found.exits.numpy(), minlength=len(stages))
        x = self.images[torch.cat(tuple(batches))].contiguous(memory_format=torch.channels_last)
        for name in self.policies:
            timed(f"stream {name}", partial(self._stream, x.split(len(batches[0])), name))
        spent["whole"] = [stages[-1]]
        for name, count in left.items():
            spent[f"bound {name}"] = [count @ stages / count.sum()]
            spent[f"MACs {name}"] = [count @ self.macs / count.sum() / self.macs[-1]]
        return {name: np.array(seconds) for name, seconds in spent.items()}

    def _stream(self, batches: Sequence[Tensor], policy: str) -> Leaving:
        network, temperatures = self.trained.network, self.trained.temperatures
        return classify_many(network, batches, self.policies[policy], temperatures)

    def _stages(self, x: Tensor) -> np.ndarray:
        """Return the seconds until each exit of a static run."""
        state: Sequence[Tensor] = (x,)
        stamps = []
        start = self.clock()
        for stage in self.trained.network.stages:
            _, *state = stage(*state)
            stamps.append(self.clock() - start)
        return np.array(stamps)

    def _inside(self, arm: Arm, x: Tensor) -> float:
        """Return the seconds that an arm spends inside stages."""
        with stopwatch(self.trained.network.stages, self.clock) as spent:
            arm(x)
        return sum(spent)


@contextmanager
def stopwatch(stages: nn.ModuleList, clock: Callable[[], float]) -> Iterator[list[float]]:
    """Note in a list minus the time at every stage's begin and the time at its end."""
    stamps: list[float] = []
    begins = [s.register_forward_pre_hook(lambda *_: stamps.append(-clock())) for s in stages]
    ends = [s.register_forward_hook(lambda *_: stamps.append(clock())) for s in stages]
    try:
        yield stamps
    finally:
        for hook in (*begins, *ends):
            hook.remove()


def opened(text: str, clock: Callable[[], float]) -> Bench:
    """Open a trained network and its data, and find the policies."""
    trained = open_trained(text, Path())
    provenance, form = trained.config.provenance, trained.config.preprocessing
    if provenance is None or form is None:
        sys.exit(f"{text}: its config does not say on which data it was trained")
    spec = provenance.data_spec()
    split = load(spec).held_out
    split = Split(split.images[:HELD_OUT], split.labels[:HELD_OUT])
    logits = answers(trained.network, split, form.mean, form.std)
    held_out = judged(logits, split.labels, trained.temperatures)
    macs = np.array(costs(trained.network.graph).lazy_macs, dtype=np.float64)
    return Bench(
        trained,
        {
            name: budgeted_policy(held_out, macs.tolist(), part * macs[-1]).thresholds
            for name, part in BUDGETS.items()
        },
        macs,
        prepared(trained.config, load_test(spec).images),
        clock,
    )


def rounds(bench: Bench, batch: int, seconds: float, rng: np.random.Generator) -> list[Times]:
    """Time rounds of batches of this size until the seconds are spent, at least three."""
    per_round = max(FEWEST, ROUND // batch)
    found: list[Times] = []
    end = time.monotonic() + seconds
    with quiet():
        bench.round([torch.arange(batch)], rng)  # sets up the kernels
        while len(found) < 3 or time.monotonic() < end:
            again = per_round * batch > len(bench.images)
            rows = rng.choice(len(bench.images), per_round * batch, replace=again)
            found.append(bench.round(torch.from_numpy(rows).split(batch), rng))
    return found


def lines(bench: Bench, batch: int, found: list[Times]) -> Iterator[str]:
    """Return the rows of the table for one batch size."""

    def ratios(above: str, below: str) -> np.ndarray:
        return np.array([times[above].sum() / times[below].sum() for times in found])

    def faster(name: str) -> str:
        return f"{np.median(ratios('whole', name)):.2f}"

    def beyond_plain(name: str) -> str:  # whatever the images: batch by batch
        per_batch = np.concatenate([times[name] / times["plain"] for times in found])
        return f"{100 * (np.median(per_batch) - 1):+.1f}"

    for name in bench.policies:
        bound, inside, stream = f"bound {name}", f"inside {name}", f"stream {name}"
        within, least = ratios(inside, name), ratios(bound, name)
        cells = (
            f"{batch}",
            name,
            f"{np.median([1 / times[f'MACs {name}'].sum() for times in found]):.2f}",
            faster(bound),
            faster(name),
            spread(least),
            faster(stream),
            spread(ratios(bound, stream)),
            faster("masked"),
            beyond_plain("again"),
            beyond_plain("never"),
            beyond_plain("tested"),
            f"{100 * np.median(within - least):.1f}",
            f"{100 * np.median(1 - within):.1f}",
            f"{len(found)}",
        )
        yield f"| {' | '.join(cells)} |"


COLUMNS = (
    "batch, MACs, bound of MACs, bound, speed-up, of the bound, stream's speed-up, of the bound, "
    "masked, plain again %, never %, tested %, small batches %, outside stages %, rounds"
)


def spread(values: np.ndarray) -> str:
    """Return the median and the middle half."""
    low, half, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{half:.3f} ({low:.3f}-{high:.3f})"


def report(bench: Bench, batches: Sequence[int], seconds: float, clock: str) -> Iterator[str]:
    """Return the lines of the whole report as they are found."""
    yield f"Machine: {processor()}, {os.cpu_count()} cores, torch {torch.__version__}, 1 thread"
    yield f"Load average: {', '.join(f'{load:.1f}' for load in os.getloadavg())}; {clock} clock"
    for name, thresholds in bench.policies.items():
        yield f"Thresholds at {name} of the MACs: {', '.join(f'{t:.4g}' for t in thresholds)}"
    yield ""
    columns = COLUMNS.split(", ")
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    rng = np.random.default_rng(0)
    for batch in batches:
        yield from lines(bench, batch, rounds(bench, batch, seconds, rng))
    yield ""
    yield f"Load average at the end: {', '.join(f'{load:.1f}' for load in os.getloadavg())}"


def main() -> None:
    """Read the arguments, print the report, write it where asked."""
    about, run, *_ = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(description=about, epilog=run)
    parser.add_argument("trained")
    parser.add_argument("--batches", default="1,8,64,256")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("-o", type=Path, metavar="FILE.md")
    given = parser.parse_args()
    batches = [int(batch) for batch in given.batches.split(",")]
    bench = opened(given.trained, CLOCKS[given.clock])
    written = []
    for line in report(bench, batches, given.seconds, given.clock):
        print(line, flush=True)
        written.append(line)
    if given.o is not None:
        atomic.write(given.o, ("\n".join(written) + "\n").encode())


if __name__ == "__main__":
    main()
