"""What a search knows of each network by now: trained, stopped early, or not to be trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas.judgements import Judgement
from nas.repetitions import middle
from nas.store import Rung


@dataclass(frozen=True, slots=True)
class Stopped:
    """A training that can be taken up.

    trial: the last one of this training, `first` its first one. measured: what
    `Measurement.facts` gave of it. latency: of each exit, as found. rungs: what it was worth where
    it was compared.
    """

    trial: int
    first: int
    measured: Mapping[str, Any]
    latency: tuple[Mapping[str, Any], ...]
    rungs: tuple[Rung, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a network was not trained, and by which part it is beyond each bound."""

    why: str
    excesses: Mapping[str, float]


class KnownNetworks:
    """By key. A network that was trained more than once stands for its middle training."""

    def __init__(self) -> None:
        self._trained: dict[str, list[Judgement]] = {}
        self._rewards: dict[str, float] = {}
        self.stopped: dict[str, Stopped] = {}
        self.refused: dict[str, Refused] = {}

    def is_trained(self, key: str) -> bool:
        """Whether it was trained to the end."""
        return key in self._trained

    def stands(self, key: str) -> Judgement:
        """The training that stands for it."""
        return middle(self._trained[key], lambda each: (each.quality, each.trial))

    def train(self, key: str, judgement: Judgement) -> bool:
        """A training to the end; whether the best reward of all rose by it."""
        before = self.best_reward
        self.stopped.pop(key, None)
        self._trained.setdefault(key, []).append(judgement)
        self._rewards[key] = self.stands(key).reward
        after = self.best_reward
        return after is not None and (before is None or after > before)

    @property
    def best_reward(self) -> float | None:
        """Of all networks trained to the end; None before the first."""
        return max(self._rewards.values(), default=None)

    @property
    def nothing_yet(self) -> bool:
        """Whether no training has come to anything."""
        return not self._trained and not self.stopped
