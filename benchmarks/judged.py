"""What a contestant reaches at every cost, by both rules of MSDNet's paper (sections 5.3, 5.4)."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.curves import Curve, Point
from benchmarks.units import Facts
from nas.exits import score
from nas.exits.budget import budgeted_policy, budgets
from nas.measurement import HeldOut

COSTS = ("MACs", "ms")
RULES = ("anytime", "budgeted batch")


@dataclass(frozen=True, eq=False)
class Judged:
    """A contestant trained with one seed: thresholds come from held_out, figures from test."""

    name: str
    seed: int
    exit_macs: tuple[int, ...]
    exit_latency_ms: tuple[float, ...]
    held_out: HeldOut
    test: HeldOut

    def exit_cost(self, unit: str) -> tuple[float, ...]:
        """What each exit has cost, in MACs or ms."""
        return self.exit_macs if unit == "MACs" else self.exit_latency_ms

    @cached_property
    def curves(self) -> dict[tuple[str, str], Curve]:
        """Accuracy on the test images against the cost they really had, by rule and unit."""
        return {(rule, unit): self._curve(rule, unit) for rule in RULES for unit in COSTS}

    def _curve(self, rule: str, unit: str) -> Curve:
        cost = self.exit_cost(unit)
        right = (facts.correct.mean(axis=0).tolist() for facts in (self.held_out, self.test))
        exits = [Point(*each) for each in zip(cost, *right, strict=True)]
        if rule == "anytime":
            return Curve.through(exits, stepped=True)
        spent = [self._spent(cost, budget) for budget in budgets(cost)]
        # Below the first budget everybody leaves at once, above the last one nobody does.
        return Curve.through([exits[0], *spent, exits[-1]], stepped=False)

    def _spent(self, cost: tuple[float, ...], budget: float) -> Point:
        policy = budgeted_policy(self.held_out, cost, budget)
        here, there = (
            score(policy, facts, cost, self.exit_macs) for facts in (self.held_out, self.test)
        )
        # latency_ms is the mean of whatever cost it was given.
        return Point(there.latency_ms, here.accuracy, there.accuracy)


def read(name: str, seed: int, trained: Facts, latency: Facts, folder: Path) -> Judged:
    """Put together what the units of a contestant have found."""
    parts = {
        part: HeldOut.load(folder / f"{name}-seed{seed}-{part}.npz")
        for part in ("held-out", "test")
    }
    return Judged(
        name=name,
        seed=seed,
        exit_macs=tuple(trained["exit_macs"]),
        exit_latency_ms=tuple(latency["exit_latency_ms"]),
        held_out=parts["held-out"],
        test=parts["test"],
    )
