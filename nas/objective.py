"""What a search optimises: the reward, or two or three facts side by side."""

import math
from dataclasses import dataclass
from typing import Literal

from nas.errors import UserError
from nas.exits import PolicyScore, best_policy, cheapest_policy
from nas.measurement import Measurement
from nas.rewards import Reward, Risk

Direction = Literal["maximize", "minimize"]
DIRECTIONS: dict[str, Direction] = {
    "accuracy": "maximize",
    "latency_ms": "minimize",
    "parameters": "minimize",
}
_EXAMPLE = "pareto:" + ",".join(DIRECTIONS)


@dataclass(frozen=True, slots=True)
class Objective:
    """The reward (no `facts`), or the Pareto front over `facts`, names of `DIRECTIONS`.

    A Pareto objective may know a reward too: it is then shown, not optimised. `risk` says which
    latency counts, here and in every front and score.
    """

    facts: tuple[str, ...]
    reward: Reward | None
    risk: Risk = "mean"

    def __post_init__(self) -> None:
        assert self.facts or self.reward is not None, "an objective without facts needs a reward"

    @classmethod
    def parse(cls, text: str, reward: Reward | None = None, risk: Risk = "mean") -> "Objective":
        """Read "reward" or "pareto[:accuracy,latency_ms,parameters]", two or three names.

        "pareto" alone is accuracy and latency. Raises UserError in one line for anything else,
        and for "reward" without one.
        """
        kind, colon, listed = text.partition(":")
        if kind == "reward" and not colon:
            if reward is None:
                raise UserError("objective 'reward': needs a target latency")
            return cls((), reward, risk)
        if kind != "pareto":
            raise UserError(f"objective {text!r}: choose 'reward', 'pareto' or {_EXAMPLE!r}")
        return cls(_facts(text, listed) if colon else ("accuracy", "latency_ms"), reward, risk)

    def __str__(self) -> str:
        return "pareto:" + ",".join(self.facts) if self.facts else "reward"

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Optuna's direction of each value."""
        return tuple(DIRECTIONS[fact] for fact in self.facts) or ("maximize",)

    @property
    def plane(self) -> tuple[str, ...]:
        """The facts a front is drawn over: the reward's are the two that it weighs."""
        return self.facts or ("accuracy", "latency_ms")

    def view(self, measurement: Measurement) -> PolicyScore:
        """Score the policy best for the reward, in Pareto mode the cheapest within half a point.

        Its latencies are those that the risk weighs.
        """
        weighed = measurement.at(self.risk)
        if self.facts or self.reward is None:
            return cheapest_policy(weighed)
        return best_policy(weighed, self.reward)

    def values(self, measurement: Measurement) -> tuple[float, ...]:
        """Return what the study is told: one value per direction, under the policy of `view`."""
        seen = self.view(measurement)
        if self.facts or self.reward is None:
            return self.point(measurement, seen, self.facts)
        return (self.reward(seen.accuracy, seen.latency_ms),)

    def finite_values(self, measurement: Measurement) -> tuple[float, ...]:
        """Return the same; raises ValueError where one is no finite number."""
        values = self.values(measurement)
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"objective values {values} are not all finite")
        return values

    def merit(self, measurement: Measurement) -> tuple[float, float]:
        """Order networks, larger is better: by the reward, or by accuracy where there is none."""
        seen = self.view(measurement)
        if self.reward is None:
            return seen.accuracy, -seen.latency_ms
        return self.reward(seen.accuracy, seen.latency_ms), seen.accuracy

    @staticmethod
    def point(
        measurement: Measurement, seen: PolicyScore, facts: tuple[str, ...]
    ) -> tuple[float, ...]:
        """Return the named facts of a network under a policy."""
        known = {
            "accuracy": seen.accuracy,
            "latency_ms": seen.latency_ms,
            "parameters": float(measurement.parameters),
        }
        return tuple(known[fact] for fact in facts)


def _facts(text: str, listed: str) -> tuple[str, ...]:
    facts = tuple(name.strip() for name in listed.split(","))
    for name in facts:
        if name not in DIRECTIONS:
            raise UserError(
                f"objective {text!r}: no fact {name!r}; there are {', '.join(DIRECTIONS)}"
            )
    if len(facts) < 2 or len(set(facts)) < len(facts):
        raise UserError(f"objective {text!r}: name two or three different facts, as {_EXAMPLE!r}")
    return facts
