"""What a controller may ask of a search space and of a cost, without importing either."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class Keyed(Protocol):
    """An architecture, as far as a controller can tell: hashable, and equal where all choices are.

    Equal keys are the same network, perhaps by other choices.
    """

    @property
    def key(self) -> str: ...


class Space(Protocol):
    """What is searched. A choice is an option of a decision; conditions look back, never ahead."""

    def distributions(self) -> Mapping[str, "BaseDistribution"]:
        """Every decision in order, always the same ones, whatever the other choices are."""

    def architecture(self, choices: Mapping[str, Any]) -> Keyed:
        """The canonical architecture of a choice for every decision."""

    def active(self, choices: Mapping[str, Any]) -> frozenset[str]:
        """The decisions that matter under these choices."""

    def parameters(self, architecture: Any) -> Mapping[str, Any]:
        """A choice for every decision, inactive ones at their first option."""

    def encode(self, architecture: Any) -> np.ndarray:
        """One float32 row: one-hot over all decisions, zeros where inactive."""

    def mutate(self, architecture: Any, rng: np.random.Generator) -> Keyed:
        """A neighbour drawn at random."""

    def neighbours(self, architecture: Any) -> Iterable[Keyed]:
        """Every architecture that differs in one active decision."""


class Timed(Protocol):
    """Latency that is known before anything is trained."""

    def __call__(self, architecture: Any) -> float:
        """Latency in ms of one image."""


@runtime_checkable
class Weighing(Protocol):
    """What knows how the objectives depend on it."""

    def weights(self, architecture: Any) -> Sequence[float]:
        """Of each objective a factor above 0 that is known: only the rest has to be learnt.

        For the reward ACC * (LAT / T)^w that is (LAT / T)^w, which leaves the accuracy; for
        accuracy itself 1; for the latency of a network with early exits that of its last one,
        which leaves a share of it.
        """

    def known(self, architecture: Any) -> Sequence[float | None]:
        """The value of each objective, None for the one that only training tells."""


@runtime_checkable
class Measured(Protocol):
    """Numbers that are known before training, from which accuracy may be learnt."""

    def measures(self, architecture: Any) -> Sequence[float]:
        """Positive numbers, always as many, such as latency, MACs and parameters."""


@runtime_checkable
class Bounded(Protocol):
    """Hard bounds, which no proposal may exceed."""

    def violation(self, architecture: Any) -> float:
        """0 within all bounds, else how far beyond them: 0.1 for a tenth of the bound."""


def violation(cost: object, architecture: Any) -> float:
    """How far beyond the hard bounds of a cost it lies; 0 for a cost without any."""
    return cost.violation(architecture) if isinstance(cost, Bounded) else 0.0


Cost = Timed | Weighing | Measured | Bounded
"""What is known of an architecture before it is trained: any of these, or several in one object."""
