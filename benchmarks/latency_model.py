"""How well latency models tell what is measured later, beside other predictors and protocols.

Run: OMP_NUM_THREADS=1 python -m benchmarks.latency_model [--runtime onnxruntime] [--cells ...]
[--networks 50] [--samples 20] [--seed 0] [--short] [--out DIR]

A unit is one measurement of one cell (a search space and an image size, such as msd-32) in a
process of its own, with a file of its own, so that the command can be stopped and run again. All
cells are measured in one way before the next: between a model and the truth that it is held
against lies time, in which the device may change. The figures are those of this machine as it is
while the command runs: whatever else runs then makes them worse, and is stated. --short measures
too little for any claim: it shows that everything works.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.latency import campaigns, other_campaigns
from benchmarks.latency.findings import Findings
from benchmarks.latency.plan import Cell, Plan
from benchmarks.latency.report import written
from benchmarks.units import Facts, Unit, complete
from latency.errors import LatencyError
from nas import atomic, plugins
from nas.errors import UserError

CELLS = "msd-32,msd-64,mnasnet-32,mnasnet-64"
OUT = Path("results/latency")
FAMILIES = tuple(name for name in plugins.SPACES if not name.startswith("msd-"))
FAMILY_PIXELS = 32

Run = Callable[..., Facts]
"""Runs a unit's work: ``campaigns.alone`` in a new process, or as it is."""


def main(arguments: list[str] | None = None) -> int:
    """Do what is missing, then write the report; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", default="onnxruntime", help="onnxruntime or torch")
    parser.add_argument("--cells", default=CELLS, help="joined by commas")
    parser.add_argument("--networks", type=int, default=50, help="fresh ones of a cell")
    parser.add_argument("--samples", type=int, default=20, help="networks that a model learns from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="a few networks and rounds, no claim")
    parser.add_argument("--out", type=Path, help=f"{OUT}/RUNTIME by default")
    given = parser.parse_args(arguments)
    plan = Plan(
        runtime=given.runtime,
        cells=tuple(given.cells.split(",")),
        seed=given.seed,
        samples=given.samples,
        networks=given.networks,
    )
    out = given.out or OUT / f"{given.runtime}{'-short' * given.short}"
    try:
        run(short(plan) if given.short else plan, out, campaigns.alone)
    except (UserError, LatencyError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on with the next unit", file=sys.stderr)
        return 130
    print(out / "README.md")
    return 0


def short(plan: Plan) -> Plan:
    """Return a plan of a few networks and rounds."""
    return replace(
        plan,
        samples=9,
        more=1,
        networks=6,
        large=(9, 3),
        family=4,
        exits=2,
        passes=5,
        seconds=0.2,
        apart_s=1.0,
        rounds=3,
    )


def run(plan: Plan, out: Path, how: Run, families: tuple[str, ...] = FAMILIES) -> None:
    """Do the units that are missing in ``out``/units, then write ``out``/README.md.

    Raises UserError for a cell that is none, LatencyError for a runtime that is not there.
    """
    plan.bench()  # raises where there is no such runtime, before anything is done
    cells = tuple(Cell.named(name) for name in plan.cells)
    spaces = dict.fromkeys(cell.space for cell in cells) if all(plan.large) else ()
    large = tuple(Cell(space, FAMILY_PIXELS, True) for space in spaces)
    folder = out / "units"
    facts = complete(units(plan, cells, large, families, how), folder)
    report = written(Findings(plan, cells, large, facts, folder))
    atomic.write(out / "README.md", report.encode())


def units(
    plan: Plan,
    cells: tuple[Cell, ...],
    large: tuple[Cell, ...],
    families: tuple[str, ...],
    how: Run,
) -> list[Unit]:
    """Return all units in the order in which they are done; the truth comes last."""

    def of(kind: str, work: Run, *some: Cell) -> list[Unit]:
        return [
            Unit(f"{kind}-{cell.name}", plan.settings(), partial(how, work, plan, cell))
            for cell in some
        ]

    leaving = [cell for cell in cells if cell.space == "msd"][:1]
    return [
        *of("fit", campaigns.fit, *cells, *large),
        *of("kernels", campaigns.kernels, *cells),
        *of("remeasured", campaigns.remeasured, *cells),
        Unit("operators", plan.settings(), partial(how, other_campaigns.operators, plan)),
        *of("family", other_campaigns.family, *(Cell(name, FAMILY_PIXELS) for name in families)),
        *of("exits", other_campaigns.exits, *leaving),
        *of("truth", campaigns.truth, *cells, *large),
        *of("speed", other_campaigns.speed, *cells),
    ]


if __name__ == "__main__":
    sys.exit(main())
