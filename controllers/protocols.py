"""What a controller may ask of a search space and of a cost, without importing either."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class Keyed(Protocol):
    """An architecture, as far as a controller can tell: equal keys are the same network."""

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


class Cost(Protocol):
    """Latency that is known before anything is trained."""

    def __call__(self, architecture: Any) -> float:
        """Latency in ms of one image."""
