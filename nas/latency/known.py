"""What a controller is told of architectures before any of them is trained."""

import math
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from controllers.encoding import forget
from nas.bounds import Bounds, violation
from nas.latency import search_model
from nas.latency.kept_facts import FILE, KeptFacts
from search_spaces.operators import costs

if TYPE_CHECKING:
    from latency.model.model import LatencyModel
    from latency.source import LatencySource
    from nas.objective import Objective
    from nas.run import Run
    from search_spaces.architecture import Architecture
    from search_spaces.blocks import BlockGraph


_FORM = 1
"""Raise it when what is known of a network is worked out otherwise."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one network, and none of latency where it is not known.

    exits_ms: to each exit, with the risk that the objective takes. last_ms: as is expected.
    """

    exits_ms: tuple[float, ...]
    last_ms: float
    macs: tuple[int, ...]
    parameters: int


class Sizes:
    """MACs and parameters: known wherever latency is not (`controllers.protocols`)."""

    def __init__(
        self, shape: search_model.Shape, bounds: Bounds, kept: KeptFacts | None = None
    ) -> None:
        self._shape, self._bounds, self._kept = shape, bounds, kept
        self._facts: dict[str, Facts] = {}

    def measures(self, architecture: "Architecture") -> tuple[float, ...]:
        """Return MACs to the first and to the last exit, and parameters."""
        found = self.facts(architecture)
        return float(found.macs[0]), float(found.macs[-1]), float(found.parameters)

    def violation(self, architecture: "Architecture") -> float:
        """Return how far it is beyond the bounds; infinitely far where it cannot be built."""
        try:
            return violation(self._bounds.excesses(*self._needs(architecture)))
        except (ValueError, RuntimeError):
            return math.inf

    def beyond(self, architecture: "Architecture") -> str:
        """Say which bounds it exceeds; empty within all of them."""
        return self._bounds.beyond(*self._needs(architecture))

    def _needs(self, architecture: "Architecture") -> tuple[float, int, int]:
        found = self.facts(architecture)
        return found.last_ms, found.parameters, found.macs[-1]

    def facts(self, architecture: "Architecture") -> Facts:
        """Return what is known; the latest are remembered, as a controller asks again and again."""
        key = architecture.key
        found = self._facts.get(key)
        if found is None and self._kept is not None:
            found = self._kept.get(key)
        if found is None:
            forget(self._facts)
            graph = self._shape.space.blocks(architecture, self._shape.image, self._shape.classes)
            sizes = costs(graph)
            found = Facts(*self._latency(graph), sizes.lazy_macs, sizes.parameters)
            self._facts[key] = found
        return found

    def keep(self, architecture: "Architecture") -> None:
        """Keep what a controller has asked of a network, which it will ask again of a trial."""
        found = self._facts.get(architecture.key)
        if self._kept is not None and found is not None:
            self._kept.add(architecture.key, found)

    def _latency(self, graph: "BlockGraph") -> tuple[tuple[float, ...], float]:
        return (), math.nan


class Known(Sizes):
    """Latency, what the objective makes of it, and sizes.

    An early-exit network's latency depends on where images leave, which training decides. Its
    reward is weighed by the latency of its last exit; where latency is an objective of its own, the
    share of that which images take on average has to be learnt. `source` has to give the same
    answers for as long as the run goes on, however often it is resumed: proposals depend on them.
    """

    def __init__(
        self,
        shape: search_model.Shape,
        source: "LatencySource",
        objective: "Objective",
        bounds: Bounds,
        kept: KeptFacts | None = None,
    ) -> None:
        super().__init__(shape, bounds, kept)
        self._source, self._objective = source, objective

    def __call__(self, architecture: "Architecture") -> float:
        """Return milliseconds to the last exit, with the risk that the objective takes."""
        return self.facts(architecture).exits_ms[-1]

    def weights(self, architecture: "Architecture") -> tuple[float, ...]:
        """Return the reward of an accuracy of 1; of latency, that of the last exit."""
        ms, facts, reward = self(architecture), self._objective.facts, self._objective.reward
        if facts or reward is None:
            return tuple(ms if name == "latency_ms" else 1.0 for name in facts)
        return (reward(1.0, ms),)

    def known(self, architecture: "Architecture") -> tuple[float | None, ...]:
        """Return parameters: where images leave, and so what they take, is for training to tell."""
        facts = self._objective.facts
        if "parameters" not in facts:
            return (None,) * max(1, len(facts))
        parameters = float(self.facts(architecture).parameters)
        return tuple(parameters if name == "parameters" else None for name in facts)

    def measures(self, architecture: "Architecture") -> tuple[float, ...]:
        """Return milliseconds to the first and to the last exit, and the sizes."""
        exits = self.facts(architecture).exits_ms
        return (exits[0], exits[-1], *super().measures(architecture))

    def _latency(self, graph: "BlockGraph") -> tuple[tuple[float, ...], float]:
        upper = self._objective.risk == "upper"
        exits = self._source.estimate(graph)
        weighed = tuple(each.high_ms if upper else each.latency_ms for each in exits)
        return weighed, exits[-1].latency_ms


def of_run(run: "Run", source: "LatencySource") -> Sizes:
    """Return what the controller of a run is told, the same whenever the run is driven.

    Latency is told where it is computed, by a law or by the model that the run began with; where
    each network has to be measured it is not known.
    """
    shape = search_model.Shape(run.space(), *run.shape())
    first, objective = search_model.read_first(run.path), run.objective()
    facts = (shape.space.name, shape.space.version, shape.image, shape.classes)
    told_by: tuple[str, ...] = (run.settings.device, run.settings.runtime, objective.risk)
    if first is None and search_model.bench_of(source) is None:
        told_by += (repr(source.conditions()),)
    model = search_model.first_bytes(run.path)
    of = sha256(repr((_FORM, *facts, *told_by)).encode() + model).hexdigest()
    kept = KeptFacts(run.path / FILE, of)
    return told(shape, source, first, objective, Bounds.of(run.settings), kept)


def told(
    shape: search_model.Shape,
    source: "LatencySource",
    model: "LatencyModel | None",
    objective: "Objective",
    bounds: Bounds,
    kept: KeptFacts | None = None,
) -> Sizes:
    """Return what is known where `source` tells latencies, or a model fitted beforehand does."""
    if model is None and search_model.bench_of(source) is not None:
        return Sizes(shape, bounds, kept)
    return Known(shape, source if model is None else model, objective, bounds, kept)
