"""Which controller finds the best network of a space when every trial is really trained.

Run: python -m benchmarks.real_search [--controllers surrogate,ppo,tpe,random] [--seeds 3]
     [--trials 60] [--space msd] [--data fashion-mnist] [--data-root DIR] [--limit 10000]
     [--epochs 1] [--max-macs 20M] [--out results/controllers/real]

A unit is one search, which can be stopped and goes on. Latency comes from a law over MACs and
bytes (runtime macs), the same for all: what differs between searches is chance and the controller.
The reward is that of the held-out images; its spread over seeds is stated, and a difference within
it is none.
"""

import argparse
import sys
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np

from benchmarks.searched import deciding, searched, trained
from benchmarks.units import Facts, Unit, complete, reported
from nas import plugins
from nas.errors import UserError
from nas.run import Run

OUT = Path("results/controllers/real")
AT = (20, 40, 60, 100)


def main(arguments: list[str] | None = None) -> int:
    """Search what is missing, then write the report; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--controllers", default="surrogate,ppo,tpe,random")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--space", default="msd")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--data-root")
    parser.add_argument("--limit", type=int, default=10000, help="training images")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--max-macs", help="of the whole network; by default any")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--executor", default="ray")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    return reported(lambda: _made(given), given.out / "README.md")


def _made(given: argparse.Namespace) -> str:
    """Search what is missing; the report. Raises UserError."""
    names = given.controllers.split(",")
    if unknown := [name for name in names if name not in plugins.names("controllers")]:
        raise UserError(f"no controller {unknown[0]!r}")
    return _report(given, names, complete(_units(given, names), given.out / "units"))


def _units(given: argparse.Namespace, names: list[str]) -> list[Unit]:
    shared = deciding(given)
    return [
        Unit(
            f"{name}-{seed}",
            shared | {"controller": name, "seed": seed},
            partial(_searched, given, name, seed),
        )
        for seed in range(given.seeds)
        for name in names
    ]


def _searched(given: argparse.Namespace, controller: str, seed: int, folder: Path) -> Facts:
    """Search, or go on with a search that was stopped."""
    run = searched(
        folder / "runs",
        f"{controller}-{seed}",
        given,
        controller=controller,
        seed=seed,
        trials=given.trials,
    )
    return {"target_ms": run.target_ms, "rewards": _rewards(run)}


def _rewards(run: Run) -> list[float]:
    """The best reward so far after each network that was trained, in the order they were told."""
    rewards = [run.objective().values(r.measurement)[0] for r in trained(run) if r.measurement]
    return list(accumulate(rewards, max))


def _report(given: argparse.Namespace, names: list[str], found: dict[str, Facts]) -> str:
    at = [t for t in AT if t <= given.trials] or [given.trials]
    best = {name: _best_of(given, name, at, found) for name in names}
    rows = [["controller", *(f"best of {t}" for t in at), f"{names[0]} is ahead by"]]
    rows.append(["---"] * len(rows[0]))
    for name in names:
        ahead = "" if name == names[0] else _figure(best[names[0]][-1] - best[name][-1])
        rows.append([name, *(_figure(each) for each in best[name]), ahead])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    target = next(iter(found.values()))["target_ms"]
    bound = f" --max-macs {given.max_macs}" if given.max_macs else ""
    return (
        f"# Controllers on {given.space} with real training\n\n"
        f"`python -m benchmarks.real_search --controllers {','.join(names)} --seeds {given.seeds}"
        f" --trials {given.trials} --data {given.data} --limit {given.limit}"
        f" --epochs {given.epochs}{bound}`\n\n"
        f"Reward at T = {target:.4g} ms by the law of runtime `macs`, on held-out images; mean over"
        f" {given.seeds} seeds ± standard deviation; the last column is of the last best.\n\n"
        f"{table}\n"
    )


def _best_of(
    given: argparse.Namespace, name: str, at: list[int], found: dict[str, Facts]
) -> np.ndarray:
    """The best reward of so many trials, float64 [at, seeds]."""
    curves = [found[f"{name}-{seed}"]["rewards"] for seed in range(given.seeds)]
    return np.array([[curve[min(t, len(curve)) - 1] for curve in curves] for t in at])


def _figure(each: np.ndarray) -> str:
    spread = f" ± {each.std(ddof=1):.4f}" if len(each) > 1 else ""
    return f"{each.mean():.4f}{spread}"


if __name__ == "__main__":
    sys.exit(main())
