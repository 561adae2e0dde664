"""How many workers one driver keeps busy, in virtual time, from what a trial costs it.

Run: python -m benchmarks.scaling [--space msd] [--controllers random,tpe,surrogate]
     [--trials 600] [--workers 1,8,64,256,1000] [--train-s 10,60,600] [--seed 0]
     [--hand-over-ms 10] [--out results/benchmarks/scaling.md]

First the costs are measured here: a proposal (ask) with its trial written to SQLite before anybody
trains it, and its outcome written (tell), in a study of made-up results with as many trials under
way as there are workers. `--trials` are told beyond these. Then searches of five trials a worker,
and of `--trials` at least, are simulated: workers train for log-normal times and one driver does
one thing after another, each taking what was measured at that size of the study, and what lies
beyond the last one measured what that took. `--hand-over-ms` is what all the rest of a trial takes:
its network priced, a job sent to a worker, its end heard, held-out answers written and judged.

busy: share of the workers' time spent training. driver: share of its own that it works. stale: how
many results were told between a proposal and its own result.
"""

import argparse
import heapq
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from latency.macs import MacsLatency
from nas import atomic, plugins, records
from nas.bounds import Bounds
from nas.errors import UserError
from nas.latency.known import Known
from nas.latency.search_model import Shape
from nas.objective import Objective
from nas.rewards import Reward
from nas.store import Store

T = TypeVar("T")
OUT = Path("results/benchmarks/scaling.md")
WINDOW = 25
"""Trials over which a cost is the median: single ones are the machine's noise."""
SPREAD = 0.3
"""Standard deviation of the logarithm of training times."""
IMAGE, CLASSES = (3, 32, 32), 10
TIMES = 5
"""Trials a worker at least, that filling and emptying the workers weigh little."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of the driver by the number of trials that there are, float64 [trials]."""

    ask: NDArray[np.float64]
    tell: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one simulated search."""

    trials_an_hour: float
    busy: float
    driver: float
    staleness: float


def main(arguments: list[str] | None = None) -> int:
    """Measure, simulate, write the report; the exit code."""
    given = _parser().parse_args(arguments)
    try:
        for name in ("trials", "workers", "train_s"):
            if (least := np.min(getattr(given, name))) <= 0:
                raise UserError(f"{name} {least:g}: it must be above 0")
        report = _report(given)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    atomic.write(given.out, report.encode())
    print(report)
    return 0


def measured(space_name: str, controller: str, trials: int, workers: int, seed: int) -> Costs:
    """What trials cost the driver while `workers` are under way, each with a made-up result."""
    space, rng = plugins.space(space_name), np.random.default_rng(seed)
    objective = Objective.parse("reward", Reward.soft(1.0))
    cost = Known(Shape(space, IMAGE, CLASSES), MacsLatency(), objective, Bounds())
    sampler = plugins.controller(controller, space=space, cost=cost, seed=seed)
    ask, tell = [], []
    running: deque[FrozenTrial] = deque()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/study.db"
        with closing(Store(url, "scaling", ("maximize",), create=True)) as store:
            for _ in range(trials + workers):
                start = time.perf_counter()
                running.append(store.ask(sampler, space.distributions()))
                ask.append(time.perf_counter() - start)
                if len(running) <= workers:
                    continue
                start, trial = time.perf_counter(), running.popleft()
                facts = records.facts(space.architecture(trial.params), measured={"seconds": 1.0})
                store.complete(trial.number, facts, (float(rng.random()),), {})
                tell.append(time.perf_counter() - start)
    return Costs(_smooth(ask), _smooth(tell))


def _smooth(seconds: Sequence[float]) -> NDArray[np.float64]:
    """Medians of windows, one value a trial."""
    parts = [seconds[at : at + WINDOW] for at in range(0, len(seconds), WINDOW)]
    return np.repeat([statistics.median(part) for part in parts], [len(part) for part in parts])


def simulated(
    costs: Costs, workers: int, train_s: float, hand_over_s: float, trials: int, seed: int
) -> Outcome:
    """A search of so many trials whose driver serves one worker at a time, first come first."""
    rng = np.random.default_rng(seed)
    lasts = train_s * rng.lognormal(-(SPREAD**2) / 2, SPREAD, trials)
    training: list[tuple[float, int, int]] = []  # end, trial, results known when it was proposed
    now = worked = 0.0
    told = asked = 0
    stale = []
    while told < trials:
        if training and (training[0][0] <= now or len(training) == workers or asked == trials):
            end, _, knew = heapq.heappop(training)
            now = max(now, end)
            cost = float(costs.tell[min(told, len(costs.tell) - 1)])
            stale.append(told - knew)
            told += 1
        else:
            cost = float(costs.ask[min(asked, len(costs.ask) - 1)]) + hand_over_s
            heapq.heappush(training, (now + cost + lasts[asked], asked, told))
            asked += 1
        now += cost
        worked += cost
    busy = lasts.sum() / (workers * now)
    return Outcome(3600 * trials / now, busy, worked / now, statistics.fmean(stale))


def _report(given: argparse.Namespace) -> str:
    head = ["controller", "workers", "ask ms", "tell ms"]
    rows = [[*head, *(f"{s:g} s: trials/h, busy, driver, stale" for s in given.train_s)]]
    rows.append(["---"] * len(rows[0]))
    for controller in given.controllers:
        for workers in given.workers:
            costs = measured(given.space, controller, given.trials, workers, given.seed)
            last = [1000 * float(each[-1]) for each in (costs.ask, costs.tell)]
            found = [_outcome(given, costs, workers, seconds) for seconds in given.train_s]
            cells = [f"{each:.1f}" for each in last]
            rows.append([controller, str(workers), *cells, *map(_words, found)])
            print(" ".join(rows[-1]), file=sys.stderr, flush=True)
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    joined = {name: ",".join(map(str, getattr(given, name))) for name in ("workers", "controllers")}
    seconds = ",".join(f"{each:g}" for each in given.train_s)
    return (
        f"# One driver and many workers\n\n"
        f"`python -m benchmarks.scaling --space {given.space} --controllers"
        f" {joined['controllers']} --trials {given.trials} --workers {joined['workers']}"
        f" --train-s {seconds} --seed {given.seed} --hand-over-ms {given.hand_over_ms:g}`\n\n"
        "Measured: what a proposal and an outcome cost the driver at the end of the study, written"
        " to SQLite. Simulated: trainings of the seconds at the head of a column.\n\n"
        f"{table}\n"
    )


def _outcome(given: argparse.Namespace, costs: Costs, workers: int, train_s: float) -> Outcome:
    trials = max(given.trials, TIMES * workers)
    return simulated(costs, workers, train_s, given.hand_over_ms / 1000, trials, given.seed)


def _words(of: Outcome) -> str:
    return f"{of.trials_an_hour:,.0f}, {of.busy:.0%}, {of.driver:.0%}, {of.staleness:,.0f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="msd")
    parser.add_argument("--controllers", type=_list(str), default=["random", "tpe", "surrogate"])
    parser.add_argument("--trials", type=int, default=600, help="told, beyond those under way")
    parser.add_argument("--workers", type=_list(int), default=[1, 8, 64, 256, 1000])
    parser.add_argument("--train-s", type=_list(float), default=[10.0, 60.0, 600.0])
    parser.add_argument("--hand-over-ms", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    return parser


def _list(kind: Callable[[str], T]) -> Callable[[str], list[T]]:
    return lambda text: [kind(word) for word in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
