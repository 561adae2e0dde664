"""Which reported metrics a search optimises, and what a report says of them. No Ray."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

from nas import plugins
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.objective import Direction

MODES: "dict[str, Direction]" = {"max": "maximize", "min": "minimize"}

Words = str | Sequence[str] | None


class Outcome(NamedTuple):
    """What a trial reported last. values: None where one is missing or no finite number.

    epoch, epochs: how far it came of how far it was to come, where it says both.
    """

    values: tuple[float, ...] | None
    epoch: float | None = None
    epochs: float | None = None

    @property
    def early(self) -> bool:
        """Whether it was stopped before its end, so that it does not compare with full ones."""
        return self.epoch is not None and self.epochs is not None and self.epoch < self.epochs


@dataclass(frozen=True, slots=True)
class Aims:
    """Metrics by their reported names, and of each "max" or "min"."""

    metrics: tuple[str, ...]
    modes: tuple[str, ...]

    @classmethod
    def parse(cls, metric: Words, mode: Words, reported: tuple[str, ...] | None) -> "Aims":
        """Read what a user of Tune gives as `metric` and `mode`: one word each, or two lists.

        reported: the metrics that there are, None where that is not known. Raises UserError.
        """
        metrics = (metric,) if isinstance(metric, str) else tuple(metric or ())
        modes = (mode,) if isinstance(mode, str) else tuple(mode or ())
        if not metrics:
            raise UserError(
                "Search has no metric: give metric='reward', mode='max' to it, or to TuneConfig "
                "together with param_space=nas.tune.param_space(...), as Tune passes them on only "
                "where there is a param_space"
            )
        for name in metrics:
            if reported is not None and name not in reported:
                raise plugins.unknown("metric", name, reported)
        if len(modes) != len(metrics) or not set(modes) <= set(MODES):
            raise UserError(f"mode {mode!r} of metric {metric!r}: give max or min for each metric")
        if len(set(metrics)) < len(metrics):
            raise UserError(f"metric {metric!r}: name each metric once")
        return cls(metrics, modes)

    @property
    def directions(self) -> "tuple[Direction, ...]":
        """Optuna's direction of each metric."""
        return tuple(MODES[mode] for mode in self.modes)

    def read(self, result: Mapping[str, Any]) -> Outcome:
        """What a report says of these metrics."""
        found = [_finite(result.get(name)) for name in self.metrics]
        values = tuple(value for value in found if value is not None)
        whole = values if len(values) == len(found) else None
        return Outcome(whole, _finite(result.get("epoch")), _finite(result.get("epochs")))


def _finite(value: object) -> float | None:
    """The value if it is a finite number, numpy's ones too."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    number = float(value)
    return number if math.isfinite(number) else None
