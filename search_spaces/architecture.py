"""Decisions and the architectures they make: frozen values, no torch."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Option = str | int | float | bool | None
"""What a decision may be set to: a JSON scalar."""


@dataclass(frozen=True, slots=True)
class Condition:
    """When a decision counts: an earlier decision counts and stands at one of ``options``."""

    decision: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Domain:
    """Values beyond the searched options that a fixed network may have (published, scaled ...)."""

    kind: Literal["int", "float", "factors", "names"]
    low: float = 0.0
    high: float = float("inf")
    names: tuple[str, ...] = ()

    def admits(self, value: Option) -> bool:
        """Tell whether a network with this value can be built."""
        if self.kind == "factors":
            return (
                isinstance(value, str)
                and re.fullmatch(r"[1-9]\d{0,5}(-[1-9]\d{0,5})*", value) is not None
            )
        if self.kind == "names":
            return value in self.names
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return (self.kind == "float" or isinstance(value, int)) and self.low <= value <= self.high

    def __str__(self) -> str:
        if self.kind == "factors":
            return "factors joined by '-', as in 1-2-4"
        if self.kind == "names":
            return "one of " + ", ".join(self.names)
        noun = "a whole number" if self.kind == "int" else "a number"
        return f"{noun} from {self.low:g} to {self.high:g}"


def whole(high: int = 100_000, low: int = 1) -> Domain:
    """Return the whole numbers up to ``high``, from 1 or ``low``: channels, layers and the like."""
    return Domain("int", low, high)


@dataclass(frozen=True, slots=True)
class Decision:
    """One choice of a search space.

    ``options`` are what a search tries; ``domain``, where given, is what a network outside the
    searched grid may have. ``condition`` names the earlier decision that makes this one count.
    ``width``: a number of channels or a multiplier of them, which scaling a network multiplies;
    ``fine_width``: one that already has such a multiplier, moved only to come nearer to a target.
    """

    name: str
    options: tuple[Option, ...]
    about: str = ""
    condition: Condition | None = None
    domain: Domain | None = None
    width: bool = False
    fine_width: bool = False

    def option(self, value: Option) -> Option | None:
        """Return the option equal to ``value`` (``True`` is not 1), or None where there is none."""
        # The very same object first: that is what an architecture hands back.
        for option in self.options:
            if option is value:
                return option
        is_bool = isinstance(value, bool)
        for option in self.options:
            if option == value and isinstance(option, bool) == is_bool:
                return option
        return None

    def has(self, value: Option) -> bool:
        """Tell whether ``value`` is one of the options."""
        return self.option(value) is not None

    def admits(self, value: Option) -> bool:
        """Tell whether ``value`` lies in the domain beyond the options."""
        return self.domain is not None and self.domain.admits(value)


@dataclass(frozen=True, slots=True)
class Architecture:
    """A point of a search space: one option per active decision, in the space's order.

    Made by ``SearchSpace.architecture`` and ``SearchSpace.from_json``, which validate. ``key`` is a
    short hash of the blocks that the architecture builds: equal keys mean the same network.
    ``widened`` names the decisions whose value lies beyond the searched options.
    """

    space: str
    version: int
    choices: tuple[tuple[str, Option], ...]
    key: str = field(compare=False)
    widened: tuple[str, ...] = field(default=(), compare=False)

    def __getitem__(self, decision: str) -> Option:
        """Return the option of an active decision. Raises KeyError for any other name."""
        for name, option in self.choices:
            if name == decision:
                return option
        raise KeyError(decision)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.choices)

    def decisions(self) -> dict[str, Option]:
        """Return the active decisions and their options, in order."""
        return dict(self.choices)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready mapping that ``SearchSpace.from_json`` reads back."""
        data: dict[str, Any] = {
            "space": self.space,
            "version": self.version,
            "decisions": self.decisions(),
        }
        if self.widened:
            data["widened"] = list(self.widened)
        return data


def counts(decision: Decision, chosen: Mapping[str, Option]) -> bool:
    """Tell whether ``decision`` is active, given the active decisions chosen before it."""
    condition = decision.condition
    return condition is None or (
        condition.decision in chosen and chosen[condition.decision] in condition.options
    )
