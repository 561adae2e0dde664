"""How long a controller takes for a proposal once it has been told a thousand trials.

Run: python -m benchmarks.asks [--controllers surrogate,ppo,reinforce,evolution] [--told 1000]
     [--asks 100] [--seed 0] [--space msd]
     [--table nb201_cifar10.npz --choices ops --observe val_c10_s0 --latency lat_ms_gold_6226]

Random networks are told first, then as many proposals as asked for, each with its result at once:
the mean holds all that is learnt and fitted meanwhile. The first proposal, which learns from the
thousand at once, is shown apart; what is known of their networks has been worked out before it. On
a table results are what it says; on a space a made-up law over its encoding, at the latency of the
law over MACs.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmarks.tabular.task import Task
from latency.macs import MacsLatency
from nas import plugins
from nas.bounds import Bounds
from nas.errors import UserError
from nas.latency.known import Known
from nas.latency.search_model import Shape
from nas.objective import Objective
from nas.proposals import derived_seed
from nas.rewards import Reward
from nas.tabular import Table, TableSpace
from search_spaces.operators import trace_block

IMAGE, CLASSES = (3, 32, 32), 10
QUANTILE = 0.3


@dataclass(frozen=True, slots=True)
class Searched:
    """What is searched, the cost that controllers are given, and the reward of a choice."""

    space: Any
    cost: Any
    reward: Callable[[Mapping[str, Any]], float]


def main(arguments: list[str] | None = None) -> int:
    """Ask every controller and print a table; the exit code."""
    given = _parser().parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        where = given.table.name if given.table else f"space {given.space}"
        print(f"{where}, {given.told} trials told, mean of {given.asks} proposals\n")
        print(
            "| controller | first, s | mean, ms | median, ms | longest, ms |\n" + "|---" * 5 + "|"
        )
        for name in given.controllers.split(","):
            trace_block.cache_clear()  # what one controller had worked out is no gift to the next
            searched = _of_table(given) if given.table else _of_space(given.space, given.seed)
            first, ms = asked(searched, name, given.told, given.asks, given.seed)
            found = f"{first:.1f} | {np.mean(ms):.1f} | {np.median(ms):.1f} | {max(ms):.0f}"
            print(f"| {name} | {found} |", flush=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def asked(
    searched: Searched, controller: str, told: int, asks: int, seed: int
) -> tuple[float, list[float]]:
    """Seconds of the first proposal, and milliseconds of each of those after it."""
    sampler = plugins.controller(controller, searched.space, searched.cost, seed)
    decisions, rng = dict(searched.space.distributions()), np.random.default_rng(seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(told):
        drawn = {name: d.choices[rng.integers(len(d.choices))] for name, d in decisions.items()}
        study.add_trial(
            optuna.create_trial(params=drawn, distributions=decisions, value=searched.reward(drawn))
        )
    seconds = []
    for _ in range(asks + 1):
        start = time.perf_counter()
        trial = study.ask(decisions)
        seconds.append(time.perf_counter() - start)
        study.tell(trial, searched.reward(trial.params))
    return seconds[0], [1000 * each for each in seconds[1:]]


def _of_table(given: argparse.Namespace) -> Searched:
    whole = Table(given.table)
    latency = whole.latency(given.latency)
    space, score = TableSpace(whole.choices(given.choices)), whole.column(given.observe)
    reward = Reward.soft(float(np.quantile(latency, QUANTILE)))
    nothing, seconds = np.zeros((len(score), 0)), np.ones(len(score))
    task = Task(space, score[:, None], score, latency, reward, nothing, seconds)
    return Searched(space, task.known(), lambda c: task.truth(space.architecture(c).number)[0])


def _of_space(name: str, seed: int) -> Searched:
    space = plugins.space(name)
    cost = Known(
        Shape(space, IMAGE, CLASSES),
        MacsLatency(),
        Objective.parse("reward", Reward.soft(1.0)),
        Bounds(),
    )
    weights = np.random.default_rng(derived_seed(seed, "law")).standard_normal(100_000)

    def reward(choices: Mapping[str, Any]) -> float:
        architecture = space.architecture(choices)
        code = space.encode(architecture)
        return (
            float(0.5 + 0.1 * np.tanh(code @ weights[: len(code)] / 5))
            * cost.weights(architecture)[0]
        )

    return Searched(space, cost, reward)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--controllers", default="surrogate,ppo,reinforce,evolution")
    parser.add_argument("--told", type=int, default=1000)
    parser.add_argument("--asks", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--space", default="msd")
    parser.add_argument("--table", type=Path, help="a .npz file, in place of a space")
    parser.add_argument("--choices", default="ops", help="the array of choices of a table")
    parser.add_argument("--observe", default="val_c10_s0", help="its column of accuracies")
    parser.add_argument("--latency", default="lat_ms_gold_6226", help="its column of ms")
    return parser


if __name__ == "__main__":
    sys.exit(main())
