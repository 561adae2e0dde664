"""What an evaluation found out, ready for JSON. Accuracies are fractions, exits count from 1."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, Literal, TypeVar

from nas.evaluation.cost import ExitCost

Value = TypeVar("Value")
Other = TypeVar("Other")
Unit = Literal["macs", "latency_ms"]


@dataclass(frozen=True, slots=True)
class Both(Generic[Value]):
    """The same figure on the held-out images and on those of the test; None: not looked at."""

    held_out: Value
    test: Value | None

    @property
    def seen(self) -> Value:
        """The figure to show: that of the test where there is one."""
        return self.held_out if self.test is None else self.test

    def map(self, function: Callable[[Value], Other]) -> "Both[Other]":
        """What `function` makes of each."""
        return Both(function(self.held_out), None if self.test is None else function(self.test))


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A fraction of right answers and its binomial standard error."""

    accuracy: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class ExitFacts:
    """One exit taken by every image.

    temperature: the config's; calibrated: the one that held-out images ask for; the expected
    calibration errors at either are in 0..1 over 15 bins.
    """

    exit: int
    macs: int
    all_macs: int
    official_ops: int
    latency_ms: float
    accuracy: Both[Accuracy]
    temperature: float
    calibrated: float
    calibration_error: Both[float]
    calibrated_error: Both[float]


@dataclass(frozen=True, slots=True)
class Reached(Accuracy):
    """What a policy reaches on some images: means of one image, and the shares that leave.

    p95_ms is what 95 % of the images do not exceed, worst_ms what no image of any data can.
    """

    latency_ms: float
    p95_ms: float
    worst_ms: float
    macs: float
    official_ops: float
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """A policy and what it reaches; `budget` is what it was made to spend, where it was."""

    found: str
    thresholds: tuple[float, ...]
    reached: Both[Reached]
    budget: float | None = None

    def gap(self, unit: Unit) -> float | None:
        """By which share the cost on the test images exceeds that on the held-out ones."""
        if self.reached.test is None:
            return None
        there, here = getattr(self.reached.test, unit), getattr(self.reached.held_out, unit)
        return float(there / here - 1)


@dataclass(frozen=True, slots=True)
class Curves:
    """Accuracy against the mean cost of an image, each point a policy set on held-out images.

    macs, latency_ms: 20 budgets of that unit. official: the sweep of the MSDNet authors' code.
    thresholds: one threshold for all exits.
    """

    macs: tuple[PolicyFacts, ...]
    latency_ms: tuple[PolicyFacts, ...]
    official: tuple[PolicyFacts, ...]
    thresholds: tuple[PolicyFacts, ...]


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """Images of one class under the policy, of the test where it was looked at.

    easy: leave at the first exit, rightly answered; hard: the first exit is wrong about them and
    the last one right. shares: of the class's images, leaving at each exit.
    """

    name: str
    images: int
    accuracy: float
    latency_ms: float
    shares: tuple[float, ...]
    easy: int
    hard: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything found out about one trained network; curves where they were asked for."""

    space: str
    key: str
    image: tuple[int, int, int]
    data: str
    note: str
    images: Both[int]
    cost: ExitCost
    exits: tuple[ExitFacts, ...]
    policy: PolicyFacts
    classes: tuple[ClassFacts, ...]
    curves: Curves | None

    @property
    def split(self) -> str:
        """Where the figures shown come from."""
        return "held-out" if self.images.test is None else "test"

    def anytime(self) -> list[dict[str, Any]]:
        """The best answer within a budget per image: from which cost on, which exit."""
        return [
            {
                "exit": each.exit,
                "latency_ms": each.latency_ms,
                "macs": each.macs,
                "held_out": asdict(each.accuracy.held_out),
                "test": each.accuracy.test and asdict(each.accuracy.test),
            }
            for each in self.exits
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as JSON values."""
        data = asdict(self)
        data["cost"] = {"parameters": self.cost.parameters}
        data["conditions"] = self.cost.conditions
        return data | {"split": self.split, "anytime": self.anytime()}
