"""What the units of one runtime come to, from their files alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.latency import predictors
from benchmarks.latency.campaigns import full_model
from benchmarks.latency.plan import Cell, Plan, graphs_of
from benchmarks.latency.predictors import Said, lasts
from benchmarks.latency.scores import Apart, Score, Truth, apart, score
from benchmarks.units import Facts
from latency.model import document

KINDS = ("remeasured", "truth")
Pairs = list[tuple[Said, Truth]]


@dataclass(frozen=True, slots=True)
class ExitErrors:
    """Of one network against the mixed order of exits, relative, of each exit; NaN: never taken.

    ``exits``: of the model, ``fixed``: of loops of one exit, ``expected``: of the model's expected
    latency. ``noise``: of the measured one.
    """

    key: str
    exits: tuple[float, ...]
    fixed: tuple[float, ...]
    expected: float
    noise: float


@dataclass(frozen=True)
class Findings:
    """The facts of all units by name, and the folder where their files are."""

    plan: Plan
    cells: tuple[Cell, ...]
    large: tuple[Cell, ...]
    facts: dict[str, Facts]
    folder: Path

    def truth(self, cell: Cell) -> Truth:
        """Return the later measurement of a cell's fresh networks."""
        found = self.facts[f"truth-{cell.name}"]
        return Truth(lasts(found["ms"]), np.array(found["noises"]), found["canary_ms"])

    @cached_property
    def said(self) -> dict[str, dict[str, Said]]:
        """What each predictor says of the fresh networks, by cell and name."""
        return {
            cell.name: predictors.all_of(self.plan, cell, self.folder, self.facts)
            for cell in self.cells
        }

    def scores(self, cells: Sequence[Cell], same_speed: bool = False) -> dict[str, Score]:
        """Return the score of each predictor over the networks of some cells."""
        return {
            name: score(
                [(self.said[cell.name][name], self.truth(cell)) for cell in cells], same_speed
            )
            for name in next(iter(self.said.values()))
        }

    def repeated(self, cells: Sequence[Cell]) -> tuple[Apart, Apart]:
        """Return how far two measurements are apart: by the protocol, and sequential medians."""
        pairs = [[self.facts[f"{kind}-{cell.name}"] for kind in KINDS] for cell in cells]
        protocol = [(lasts(one["ms"]), lasts(two["ms"])) for one, two in pairs]
        usual = [
            (lasts(one["sequential"]["ms"]), lasts(two["sequential"]["ms"])) for one, two in pairs
        ]
        return apart(protocol), apart(usual)

    def larger_images(self) -> dict[str, Pairs]:
        """Return what models of smaller images say of larger ones, for each space that has both."""
        found = {}
        for small in self.cells:
            for large in self.cells:
                if small.space == large.space and small.pixels < large.pixels:
                    graphs = graphs_of(self.plan.fresh(large))
                    said = predictors.larger_images(self.folder, small, large, graphs)
                    found[f"{small.name} to {large.name}"] = [(said, self.truth(large))]
        return found

    def larger_half(self) -> dict[str, Pairs]:
        """Return what is said of the half of a cell with more MACs from the other half."""
        found = {}
        for cell in self.cells:
            again, truth = self.facts[f"remeasured-{cell.name}"], self.truth(cell)
            said, many = predictors.larger_half(self.plan, cell, self.folder, again)
            rest = Truth(truth.ms[many], truth.noises[many], truth.canary_ms)
            found[f"{cell.name}, smaller to larger half"] = [(said, rest)]
        return found

    def large_networks(self) -> dict[str, Pairs]:
        """Return what models of large networks say of other ones."""
        found = {}
        for cell in self.large:
            model = document.load(full_model(self.folder, cell))
            said = predictors.of_model(model, graphs_of(self.plan.fresh(cell)))
            found[cell.name] = [(said, self.truth(cell))]
        return found

    def exits(self) -> list[ExitErrors]:
        """Return what is said of networks with early exits, over what was measured."""
        units = [facts for name, facts in self.facts.items() if name.startswith("exits-")]
        return [_exit_errors(each) for facts in units for each in facts["networks"]]


def _exit_errors(facts: Facts) -> ExitErrors:
    said, mixed, fixed = (
        np.array(facts[kind], dtype=np.float64) for kind in ("said_ms", "mixed_ms", "fixed_ms")
    )
    return ExitErrors(
        facts["key"],
        tuple((said / mixed - 1).tolist()),
        tuple((fixed / mixed - 1).tolist()),
        float(np.array(facts["shares"]) @ said) / facts["expected_ms"] - 1,
        facts["noise"],
    )


def pooled(found: dict[str, Pairs], same_speed: bool = False) -> dict[str, Score]:
    """Score each, and all of them together where there are several."""
    scored = {name: score(pairs, same_speed) for name, pairs in found.items()}
    if len(found) > 1:
        scored["all"] = score([pair for pairs in found.values() for pair in pairs], same_speed)
    return scored
