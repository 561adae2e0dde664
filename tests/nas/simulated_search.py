"""A search in which everything is real but the training: networks answer as a formula says.

    python -m tests.nas.simulated_search OUT --name many --trials 5000

Accuracy rises with the MACs of an exit and saturates, images differ in how hard they are, and the
confidence of an exit follows how likely it is to be right.
"""

import argparse
import hashlib
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import numpy as np

from latency.macs import MacsLatency
from nas import plugins
from nas.executors.protocol import Done
from nas.faults import Fault
from nas.interruption import Interruption
from nas.loop import Loop
from nas.measurement import HeldOut
from nas.progress import Progress, Silent
from nas.run import Run, create
from nas.settings import parse
from nas.store import Store
from nas.training.trial import TrialJob, TrialOutcome
from nas.underway import Pricer, Task
from search_spaces.operators import costs

IMAGE = (1, 32, 32)
CLASSES = 10
TARGET_MS = 0.6


def simulated_run(out: Path, **options: object) -> Run:
    """An empty run on the simulated device."""
    given = {"runtime": "macs", "target_latency": TARGET_MS, "controller": "random", "epochs": 4}
    settings = parse({"out": str(out), **given, **options})
    source = MacsLatency()
    latency = {
        "runtime": source.name,
        "device": source.device,
        "conditions": source.conditions(),
        "target_ms": settings.target_latency,
        "found": "given",
        "image": list(IMAGE),
        "classes": CLASSES,
    }
    return create(settings, latency)


def drive(
    run: Run, failing: Collection[int] = (), images: int = 500, progress: Progress | None = None
) -> None:
    """Drives the run to its end; trials of the numbers in `failing` fail."""
    settings = run.settings
    sampler = plugins.controller(settings.controller, space=run.space(), seed=settings.seed)
    task = Task(settings.data_spec(), settings.recipe(IMAGE, 900), IMAGE, CLASSES)
    with closing(Store(run.storage_url, run.name, run.objective().directions)) as store:
        pricer = Pricer(run.space(), task, MacsLatency(), settings.seed)
        told = (pricer, Interruption(), progress or Silent(), lambda: 0.0)
        Loop(run, task, store, sampler, *told).go(Simulated(failing, images))


class Simulated:
    """An executor whose one trial ends at once."""

    capacity = 1

    def __init__(self, failing: Collection[int], images: int) -> None:
        self._failing, self._images = failing, images
        self._jobs: list[TrialJob] = []

    def fits(self, memory: int) -> bool:
        return True

    def submit(self, job: TrialJob, begun: bytes | None = None, memory: int = 0) -> None:
        self._jobs.append(job)

    def completed(self, timeout: float) -> list[Done]:
        ended = [self._done(job) for job in self._jobs]
        self._jobs = []
        return ended

    def close(self) -> None:
        self._jobs = []

    def _done(self, job: TrialJob) -> Done:
        if job.number in self._failing:
            return Done(job.number, None, Fault("exception", "RuntimeError: <b>out of luck</b>"))
        return Done(job.number, outcome(job, self._images), None)


def outcome(job: TrialJob, images: int) -> TrialOutcome:
    """What the network of a job would have answered."""
    space = plugins.space(job.space)
    architecture = space.from_json(job.architecture)
    macs = np.array(costs(space.blocks(architecture, IMAGE, CLASSES)).lazy_macs, dtype=float)
    seed = hashlib.sha256(architecture.key.encode()).digest()[:4]
    rng = np.random.default_rng(int.from_bytes(seed, "big"))
    skill = 1.3 * np.log10(macs / 3e4) + rng.normal(0, 0.25) - 0.4 * rng.random() ** 2
    skill += 0.1 * np.random.default_rng(job.seed).normal()  # what one training is better or worse
    ease = np.random.default_rng(0).normal(0.6, 1.4, images)  # the same images for all
    logit = ease[:, None] + skill[None, :]
    right = rng.random((images, 1)) < 1 / (1 + np.exp(-logit))
    sure = 1 / (1 + np.exp(-logit - rng.normal(0, 0.7, logit.shape)))
    confidence = np.clip(0.1 + 0.9 * sure, 0, 1)
    epochs = job.recipe.epochs
    start = 2.3 * len(macs)  # as many exits as have to learn ten classes
    losses = start * np.exp(-0.5 * np.log1p(skill[-1] ** 2) * np.arange(1, epochs + 1) ** 0.5)
    return TrialOutcome(
        job.number,
        HeldOut(confidence.astype(np.float16), right),
        0.01 * macs[-1] ** 0.5,
        epochs,
        b"w",
        tuple(losses.tolist()),
    )


def main() -> None:
    """Makes a run of any size."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--name", default="simulated")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--space", default="msd")
    given = parser.parse_args()
    run = simulated_run(
        given.out, name=given.name, trials=given.trials, seed=given.seed, space=given.space
    )
    drive(run, failing=range(7, given.trials, 97))
    print(run.path)


if __name__ == "__main__":
    main()
