"""How many epochs a search saves by stopping trainings early (asha) and what it finds with them.

Run: python -m benchmarks.asha [--seeds 5] [--trials 27] [--epochs 9] [--grace 1] [--reduction 3]
     [--more 2] [--space msd] [--controller surrogate] [--data fashion-mnist] [--data-root DIR]
     [--limit 2000] [--max-macs 10M] [--out results/benchmarks/asha]

For each seed one search trains every network to the end, another one stops trainings early and may
propose `--more` times as many. Both have the same seed, target and recipe. What counts is the best
reward, on held-out images, among networks that were trained to the end, and how many epochs the
search had trained by then, whatever they were spent on. A unit is one search.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.hardware import machine, machines
from benchmarks.searched import deciding, searched, trained
from benchmarks.units import Facts, Unit, complete, reported
from nas.run import Run

OUT = Path("results/benchmarks/asha")
FIDELITIES = ("full", "asha")
SHARES = (0.2, 0.3, 0.4, 0.6)
"""Of the epochs of the search in full."""


def main(arguments: list[str] | None = None) -> int:
    """Search what is missing, then write the report; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=27, help="of the search in full")
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--grace", type=int, default=1, help="epochs before the first comparison")
    parser.add_argument("--reduction", type=int, default=3, help="of so many one goes on")
    parser.add_argument("--more", type=int, default=2, help="times as many trials with asha")
    parser.add_argument("--space", default="msd")
    parser.add_argument("--controller", default="surrogate")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--data-root")
    parser.add_argument("--limit", type=int, default=2000, help="training images")
    parser.add_argument("--max-macs", default="10M", help="of the whole network")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--executor", default="ray")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    return reported(lambda: _made(given), given.out / "README.md")


def _made(given: argparse.Namespace) -> str:
    """Search what is missing; the report. Raises UserError."""
    return _report(given, complete(_units(given), given.out / "units"))


def _units(given: argparse.Namespace) -> list[Unit]:
    shared = deciding(given)
    return [
        Unit(
            f"{fidelity}-{seed}",
            shared | {"fidelity": fidelity, "seed": seed},
            partial(_unit, given, fidelity, seed),
        )
        for seed in range(given.seeds)
        for fidelity in FIDELITIES
    ]


def _unit(given: argparse.Namespace, fidelity: str, seed: int, folder: Path) -> Facts:
    run = searched(
        folder / "runs",
        f"{fidelity}-{seed}",
        given,
        controller=given.controller,
        seed=seed,
        trials=given.trials * (given.more if fidelity == "asha" else 1),
        fidelity=fidelity,
        grace=given.grace,
        reduction=given.reduction,
    )
    return {"machine": machine(), "target_ms": run.target_ms, "course": _course(run)}


def _course(run: Run) -> list[tuple[int, float | None]]:
    """After each training, also in part: epochs so far, and the best reward of a whole one."""
    records = trained(run)
    epochs = {r.trial: r.measurement.epochs for r in records if r.measurement is not None}
    spent, best, course = 0, None, []
    for record in records:
        assert record.measurement is not None, "of a training"
        # Who was taken up brings the epochs before with it.
        before = 0 if record.continues is None else epochs.get(record.continues, 0)
        spent += record.measurement.epochs - before
        if record.state == "complete":
            reward = run.objective().values(record.measurement)[0]
            best = reward if best is None else max(best, reward)
        course.append((spent, best))
    return course


def _report(given: argparse.Namespace, found: dict[str, Facts]) -> str:
    rows = [
        ["seed", "epochs in full", "best", "with asha", "as good after", "share"]
        + [f"asha at {share:.0%}" for share in SHARES]
    ]
    rows.append(["---"] * len(rows[0]))
    reached, behind = [], []
    for seed in range(given.seeds):
        full, asha = (found[f"{fidelity}-{seed}"]["course"] for fidelity in FIDELITIES)
        epochs, best = full[-1]
        after = next((spent for spent, at in asha if at is not None and at >= best), None)
        at_share = [_best_within(asha, share * epochs) for share in SHARES]
        reached.append(np.inf if after is None else after / epochs)
        behind.append([at - best for at in at_share])
        words = ["-", "-"] if after is None else [f"{after:,}", f"{after / epochs:.0%}"]
        figures = ["-" if np.isnan(at) else f"{at:.4f}" for at in at_share]
        rows.append([str(seed), f"{epochs:,}", f"{best:.4f}", f"{asha[-1][0]:,}", *words, *figures])
    mean = np.array(behind)
    error = mean.std(axis=0, ddof=1) / np.sqrt(len(mean)) if len(mean) > 1 else mean[0] * np.nan
    gaps = [
        "-" if np.isnan(m) else f"{m:+.4f} ± {e:.4f}"
        for m, e in zip(mean.mean(axis=0), error, strict=True)
    ]
    rows.append(["asha - full", "", "", "", "", f"median {np.median(reached):.0%}", *gaps])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    target = next(iter(found.values()))["target_ms"]
    return (
        f"# Trainings stopped early on {given.space}\n\n"
        f"`python -m benchmarks.asha --seeds {given.seeds} --trials {given.trials}"
        f" --epochs {given.epochs} --grace {given.grace} --reduction {given.reduction}"
        f" --more {given.more} --controller {given.controller}"
        f" --data {given.data} --limit {given.limit} --max-macs {given.max_macs}`\n\n"
        f"Best reward at T = {target:.4g} ms (law of runtime `macs`) among networks trained for all"
        f" {given.epochs} epochs, on held-out images. Last row: mean over seeds 0 to"
        f" {given.seeds - 1} ± standard error. A dash: not all searches had one by then."
        f"\n\n{table}\n\n{machines(found)}\n"
    )


def _best_within(course: list[tuple[int, float | None]], epochs: float) -> float:
    """The best reward by so many epochs; NaN before any training has ended."""
    return next((b for spent, b in reversed(course) if spent <= epochs and b is not None), np.nan)


if __name__ == "__main__":
    sys.exit(main())
