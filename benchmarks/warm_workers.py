"""Our arm of `benchmarks.throughput`: the same trials as a search on warm workers, and no trials.

The networks are the ones that the search is told to begin with. A trial that does nothing is one of
our loop in every other part: proposed by Optuna's TPE, priced, sent to a worker, its facts written
and told to the study on disk; the worker alone returns at once.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import nas
from benchmarks.throughput_plan import Plan
from nas import config, plugins, store
from nas.data.dataset import DataSpec
from nas.executors import opening
from nas.executors.protocol import Executor
from nas.run import Run
from search_spaces.architecture import Architecture, Decision
from search_spaces.blocks import BlockGraph, Image
from search_spaces.chain import Chain
from search_spaces.exits import Head
from search_spaces.space import SearchSpace

_OPTIONS = (0, 1, 2)


def train_all(
    plan: Plan, data: DataSpec, seed: int, folder: Path, workers: int, precision: str
) -> dict[str, Any]:
    """Train the networks of a plan; the facts of the arm."""
    starts = []
    for number, architecture in enumerate(plan.architectures):
        starts.append(folder / f"{number}.yaml")
        config.save(config.Config.of(architecture), starts[-1])
    run = nas.search(
        plan.architectures[0]["space"],
        start=",".join(map(str, starts)),
        trials=len(starts),
        data=data.source,
        data_root=data.root,
        image=data.image,
        limit=data.limit,
        seed=seed,
        precision=precision,
        **{name: plan.recipe[name] for name in ("epochs", "batch_size", "crop", "flip")},
        **_common(folder, workers),
    )
    accuracy = [
        float(record.measurement.held_out.correct[:, -1].mean())
        for record in run.records()
        if record.measurement is not None
    ]
    assert len(accuracy) == len(starts), "a trial failed"
    return {
        "seconds": _seconds(run),
        "accuracy": accuracy,
        "precision": run.settings.precision,
    }


def do_nothing(
    decisions: int, trials: int, controller: str, seed: int, folder: Path
) -> dict[str, Any]:
    """Run trials that do nothing; the facts of the arm."""
    name = f"nothing{decisions}"
    plugins.SPACES[name] = f"{__name__}:NOTHING_{decisions}"
    opening.executor = _idle  # type: ignore[assignment]
    run = nas.search(
        name,
        controller=controller,
        trials=trials,
        seed=seed,
        data="digits",
        image=8,
        limit=60,
        epochs=1,
        precision="float32",
        latency_model="none",
        **_common(folder, 2),
    )
    assert all(record.measurement is not None for record in run.records()), "a trial failed"
    return {"seconds": _seconds(run), "trials": trials}


class Nothing(SearchSpace):
    """Networks of one layer, and any number of decisions of three options each."""

    version = 1
    reference: ClassVar[str] = "benchmarks.throughput"

    def __init__(self, decisions: int) -> None:
        self.name = f"nothing{decisions}"
        self.decisions = tuple(
            Decision(f"decision{k}", _OPTIONS, "nothing") for k in range(decisions)
        )

    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        """Return one classifier, in whose dropout every decision has a digit."""
        chain, code = Chain(image, classes), 0.0
        for k, option in enumerate(architecture.decisions().values(), start=1):
            assert isinstance(option, int), "options are digits"
            code += option / 3**k
        chain.leave(Head(chain.channels, (), classes, dropout=code))
        return chain.graph()

    @property
    def published(self) -> Mapping[str, Architecture]:
        """Nobody published one."""
        return {}


NOTHING_12, NOTHING_40 = Nothing(12), Nothing(40)


def _idle(*given: Any) -> AbstractContextManager[Executor]:
    """What `opening.executor` opens, its workers idle."""
    from benchmarks.idle_worker import Idle  # only now: the session must import Ray itself
    from nas.executors import ray_crew

    patch.object(ray_crew, "Worker", Idle).start()
    return _opened(*given)


_opened = opening.executor


def _common(folder: Path, workers: int) -> dict[str, Any]:
    return {
        "out": str(folder),
        "runtime": "macs",
        "target_latency": "1ms",
        "max_latency": "10s",
        "executor": "ray",
        "workers": workers,
    }


def _seconds(run: Run) -> float:
    """From the first proposal to the last result, by the study's own record."""
    trials = store.read(run.storage_url, run.name)
    first = min(trial.datetime_start for trial in trials if trial.datetime_start)
    last = max(trial.datetime_complete for trial in trials if trial.datetime_complete)
    return (last - first).total_seconds()
