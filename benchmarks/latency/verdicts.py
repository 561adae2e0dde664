"""What was aimed at, and whether it is met."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.latency.scores import Apart
from latency.model.errors import Errors


@dataclass(frozen=True, slots=True)
class Aim:
    """An aim in words, the figure that was found, its bounds, and its unit in tables.

    Figures with unit % are shares. A ``condition`` that does not hold makes the aim void.
    """

    said: str
    found: float | None
    least: float | None = None
    most: float | None = None
    unit: str = "%"
    condition: bool = True

    def verdict(self) -> str:
        """Return "met", "missed by ...", or why there is none."""
        if self.found is None:
            return "not measured"
        if not self.condition:
            return "does not apply"
        short = max(
            0.0 if self.least is None else self.least - self.found,
            0.0 if self.most is None else self.found - self.most,
        )
        return "met" if short <= 0 else f"missed by {self.text(short)}"

    def text(self, figure: float | None) -> str:
        """Return a figure with its unit."""
        if figure is None:
            return "-"
        if self.unit == "%":
            return f"{100 * figure:.2f} %"
        return f"{figure:.4g}{' ' * bool(self.unit)}{self.unit}"


def accuracy(runtime: str, model: Errors, again: Errors, repeated: Apart) -> list[Aim]:
    """Return the aims for the model's errors on all fresh networks together."""
    eager = runtime == "torch"
    sure = repeated.p90 < (0.05 if eager else 0.03)
    bounds = {10: 0.97} if eager else {10: 0.99, 5: 0.95}
    aims = []
    for percent in (10, 5):
        found, floor = (getattr(each, f"within_{percent}") for each in (model, again))
        if not eager:
            said = f"within {percent} %: at least the re-measurement's less 2 points"
            aims.append(Aim(said, found, floor - 0.02))
        if percent in bounds:
            p90 = "5" if eager else "3"
            said = (
                f"within {percent} %: at least {bounds[percent]:.0%} where the re-measurement's"
                f" p90 is below {p90} %"
            )
            aims.append(Aim(said, found, bounds[percent], condition=sure))
    spearman, kendall = (0.97, None) if eager else (0.99, 0.95)
    aims.append(Aim(f"Spearman at least {spearman}", model.spearman, spearman, unit=""))
    if kendall:
        aims.append(Aim(f"Kendall at least {kendall}", model.kendall, kendall, unit=""))
    coverage = model.coverage_90
    return [*aims, Aim("90 % intervals cover 85 to 95 %", coverage, least=0.85, most=0.95)]


def repeatability(protocol: Apart, sequential: Apart) -> list[Aim]:
    """Return the aims for two campaigns of the protocol: a fifth of the usual, or small itself."""
    return [
        Aim(f"{name} deviation: a fifth of the sequential median's, or {bound:.0%}", one, most=most)
        for name, one, other, bound in (
            ("median", protocol.median, sequential.median, 0.01),
            ("p90", protocol.p90, sequential.p90, 0.03),
        )
        for most in [max(bound, other / 5)]
    ]


def extrapolation(errors: dict[str, Errors], large: dict[str, Errors]) -> list[Aim]:
    """Return the aims for networks unlike those that were learnt from; errors by what they are."""
    return [
        *(
            Aim(f"{name}: mean error at most 4 %", each.mape, most=0.04)
            for name, each in errors.items()
        ),
        *(
            Aim(f"{name}: mean error at most 5 %", each.mape, most=0.05)
            for name, each in large.items()
        ),
    ]


def cost(bring_up_s: Sequence[float], per_second: Sequence[float]) -> list[Aim]:
    """Return the aims for the time that fits and estimates take."""
    slowest = min(per_second) if per_second else None
    return [
        Aim("bring-up for one space: at most 3 minutes", max(bring_up_s), most=180.0, unit="s"),
        Aim("estimates: at least 2,000 a second", slowest, least=2000.0, unit="a second"),
    ]


def early_exits(per_exit: float | None, expected: float | None) -> list[Aim]:
    """Return the aims for early exits against the mixed order."""
    return [
        Aim("per-exit error at most 5 % of the mixed order's", per_exit, most=0.05),
        Aim("expected latency: error at most 3 %", expected, most=0.03),
    ]
