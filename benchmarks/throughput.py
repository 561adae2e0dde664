"""Claim: a search here trains several times as many networks an hour as the usual recipe.

Run: python -m benchmarks.throughput [--families residual,depthwise,msd] [--epochs 1,5]
     [--seeds 5] [--trials 8] [--limit 5000] [--data fashion-mnist] [--data-root DIR] [--workers 2]
     [--precision auto] [--nothing 12,40] [--nothing-trials 200,16,64]
     [--out results/benchmarks/throughput]

Two arms train the same networks on the same images, with the same recipe for as many epochs, on as
many cores: `nas search`, told to begin with these networks (`benchmarks.warm_workers`), and what
users would write with Ray Tune, a DataLoader and torchvision's transforms
(`benchmarks.default_recipe`). Then trials that do nothing at all, in three arms: ours, with all
that it records of a trial; Tune by default; Tune with reuse_actors, both with OptunaSearch on
SQLite. A unit is one search of one arm in a process of its own; arms take turns, the one that
begins alternates with the seed. The machine should do nothing else.

The time of a search goes from the start of its first trial to the end of its last one; starting
Ray, importing and reading the images are apart from it in both arms, and shown beside.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.hardware import machine, machines
from benchmarks.throughput_arm import ARMS, DEFAULT, OURS, REUSED, run
from benchmarks.throughput_plan import FAMILIES
from benchmarks.units import Facts, Unit, complete, reported
from nas.data.dataset import DataSpec
from nas.errors import UserError

OUT = Path("results/benchmarks/throughput")
Row = tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    """Do what is missing, then write the report; the exit code."""
    given = _parsed(arguments)
    return reported(lambda: _made(given), given.out / "README.md")


def _made(given: argparse.Namespace) -> str:
    """Do what is missing; the report. Raises UserError."""
    if unknown := set(given.families) - set(FAMILIES):
        raise UserError(f"no family {unknown.pop()!r}; there are {', '.join(FAMILIES)}")
    return report(given, complete(units(given), given.out / "units"))


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", type=_words, default=list(FAMILIES))
    parser.add_argument("--epochs", type=_numbers, default=[1, 5])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=8, help="networks of a search")
    parser.add_argument("--limit", type=int, default=5000, help="training images")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--data-root")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--precision", default="auto", help="of our arm")
    parser.add_argument("--nothing", type=_numbers, default=[12, 40], help="decisions")
    parser.add_argument("--nothing-trials", type=_numbers, default=[200, 16, 64], help="by arm")
    parser.add_argument("--controller", default="tpe", help="of our arm's trials of nothing")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args(arguments)


def _words(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",") if word]


def units(given: argparse.Namespace) -> list[Unit]:
    """Return all units, in the order in which they are done."""
    found = []
    for seed in range(given.seeds):
        arms = (OURS, DEFAULT) if seed % 2 == 0 else (DEFAULT, OURS)
        found += [
            _training(given, family, epochs, arm, seed)
            for family in given.families
            for epochs in given.epochs
            for arm in arms
        ]
        found += [
            _nothing(given, decisions, trials, arm, seed)
            for decisions in given.nothing
            for arm, trials in zip(ARMS, given.nothing_trials, strict=True)
        ]
    return found


def _training(given: argparse.Namespace, family: str, epochs: int, arm: str, seed: int) -> Unit:
    data = DataSpec(given.data, None, given.data_root, limit=given.limit).absolute()
    task = {
        "arm": arm,
        "decisions": 0,
        "family": family,
        "epochs": epochs,
        "seed": seed,
        "trials": given.trials,
        "workers": given.workers,
        "precision": given.precision,
    }
    where = {"data": Path(data.source).name, "limit": data.limit}
    return Unit(
        _name(family, epochs, arm, seed),
        task | where,
        partial(_done, task | {"data": data.to_json()}),
    )


def _nothing(given: argparse.Namespace, decisions: int, trials: int, arm: str, seed: int) -> Unit:
    task = {"arm": arm, "decisions": decisions, "seed": seed, "trials": trials}
    task |= {"controller": given.controller} if arm == OURS else {}
    return Unit(_name("nothing", decisions, arm, seed), task, partial(_done, task))


def _name(what: str, size: int, arm: str, seed: int) -> str:
    return f"{what}-{size}-{arm.replace(' ', '-').replace(',', '')}-{seed}"


def _done(task: Facts, _folder: Path) -> Facts:
    return {"machine": machine(), "load": os.getloadavg()[0]} | run(task)


def report(given: argparse.Namespace, found: dict[str, Facts]) -> str:
    """Return both tables in Markdown."""
    loads = [facts["load"] for facts in found.values()]
    parts = [
        "# Throughput\n",
        f"`python -m benchmarks.throughput --families {','.join(given.families)}"
        f" --epochs {','.join(map(str, given.epochs))} --seeds {given.seeds}"
        f" --trials {given.trials} --limit {given.limit} --data {Path(given.data).name}"
        f" --workers {given.workers} --precision {given.precision}"
        f" --nothing '{','.join(map(str, given.nothing))}'"
        f" --nothing-trials {','.join(map(str, given.nothing_trials))}`\n",
        f"Each figure is a median over {given.seeds} searches, from least to most in brackets. Load"
        f" average before a search: {np.median(loads):.1f} (at most {max(loads):.1f}).\n",
        f"{machines(found)}\n",
    ]
    if given.families and given.epochs:
        parts += ["## Trials an hour\n", _table(_training_rows(given, found))]
    if given.nothing:
        parts += ["## A trial that does nothing\n", _table(_nothing_rows(given, found))]
    return "\n".join(parts)


def _training_rows(given: argparse.Namespace, found: dict[str, Facts]) -> list[Row]:
    head = "networks, epochs, nas trials/h, Ray Tune trials/h, ratio, accuracy nas, "
    head += "accuracy Ray Tune, start-up s nas, start-up s Ray Tune, precision"
    rows: list[Row] = [tuple(head.split(", "))]
    for family in given.families:
        for epochs in given.epochs:
            ours, other = (
                [found[_name(family, epochs, arm, seed)] for seed in range(given.seeds)]
                for arm in (OURS, DEFAULT)
            )
            rate = [
                np.array([3600 * given.trials / facts["seconds"] for facts in arm])
                for arm in (ours, other)
            ]
            precisions = sorted({facts["precision"] for facts in ours})
            rows.append(
                (
                    family,
                    str(epochs),
                    *(_spread(each, ".0f") for each in rate),
                    _spread(rate[0] / rate[1], ".2f"),
                    *(_accuracy(arm) for arm in (ours, other)),
                    *(_start_up(arm) for arm in (ours, other)),
                    ", ".join(precisions),
                )
            )
    return rows


def _nothing_rows(given: argparse.Namespace, found: dict[str, Facts]) -> list[Row]:
    rows: list[Row] = [
        ("decisions", *(f"{arm}, ms" for arm in ARMS), "default / nas", "reuse_actors / nas")
    ]
    for decisions in given.nothing:
        cost = {
            arm: np.array(
                [
                    1000 * facts["seconds"] / facts["trials"]
                    for seed in range(given.seeds)
                    for facts in [found[_name("nothing", decisions, arm, seed)]]
                ]
            )
            for arm in ARMS
        }
        ratios = [_spread(cost[arm] / cost[OURS], ".1f") for arm in (DEFAULT, REUSED)]
        rows.append((str(decisions), *(_spread(cost[arm], ".1f") for arm in ARMS), *ratios))
    return rows


def _spread(values: np.ndarray, form: str) -> str:
    median, least, most = (
        format(float(value), form) for value in (np.median(values), values.min(), values.max())
    )
    return f"{median} ({least}-{most})"


def _accuracy(arm: list[Facts]) -> str:
    """The mean over all trials in %, and the standard error over searches."""
    means = 100 * np.array([np.mean(facts["accuracy"]) for facts in arm])
    error = f" ± {means.std(ddof=1) / len(means) ** 0.5:.1f}" if len(means) > 1 else ""
    return f"{means.mean():.1f}{error}"


def _start_up(arm: list[Facts]) -> str:
    return f"{np.median([facts['process_s'] - facts['seconds'] for facts in arm]):.0f}"


def _table(rows: list[Row]) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
