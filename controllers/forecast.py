"""What is believed at one moment of a search, and what another trial would be worth."""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from controllers import improvement
from controllers.accuracy_model import AccuracyModel, Shape
from controllers.dominance import nondominated, order
from controllers.objectives import units

if TYPE_CHECKING:
    from controllers.encoding import Encoder, Features
    from controllers.history import Lesson
    from controllers.objectives import Objectives
    from controllers.protocols import Keyed

DECIMALS = 6
"""Processors round differently, and what is equal to them should be equal here."""
MARGIN = 0.1
"""Beyond the worst value seen, as a share of the span: where hypervolume begins to count."""

Shapes = Mapping[int, Shape]
"""Of the model of each objective that has to be learnt, by its place."""


class Forecast:
    """The learnt objective foretold for any architecture, the others known or foretold too.

    Args:
        objectives, encoder: of the study and its space.
        lessons: at least one.
        shapes: of the models of an earlier forecast, or None to choose them.
        violation: how far an architecture is beyond the hard bounds. Those beyond teach, but are
            nothing that has been reached, unless all are.
    """

    def __init__(
        self,
        objectives: "Objectives",
        encoder: "Encoder",
        lessons: "Sequence[Lesson]",
        shapes: Shapes | None = None,
        violation: "Callable[[Keyed], float]" = lambda architecture: 0.0,
    ) -> None:
        self._objectives, self._encoder = objectives, encoder
        self._pending: Sequence[Keyed] = ()
        self._architectures = [lesson.architecture for lesson in lessons]
        told = np.array([lesson.values for lesson in lessons], dtype=float)
        self._units = units(told)
        self._told = told / self._units
        self._learnt = objectives.learnt(lessons)
        self._others = objectives.others(lessons)
        features, given = encoder(self._architectures), shapes or {}
        self._model = self._learn(features, self._learnt, given)
        within = np.array([violation(self._architectures[at]) <= 0 for at in self._model.kept])
        self._reached = np.flatnonzero(within if within.any() else ~within)  # of those kept
        self._guesses = {
            at: self._learn(features, at, given, both_ends=True)
            for at, is_known in self._others
            if not is_known
        }

    def _learn(
        self, features: "Features", at: int, shapes: Shapes, both_ends: bool = False
    ) -> AccuracyModel:
        """A model of what the factor of an objective is multiplied with.

        both_ends: low values matter as much as high ones.
        """
        told, weights = self._told[:, at], self._objectives.weights(self._architectures, at)
        anchor = float(told.min()) if both_ends else None
        networks = [each.key for each in self._architectures]
        return AccuracyModel(features, told, shapes.get(at), anchor, weights, networks)

    @property
    def shapes(self) -> Shapes:
        """Of its models."""
        guessed = {at: model.shape for at, model in self._guesses.items()}
        return {self._learnt: self._model.shape, **guessed}

    def believing(self, pending: "Sequence[Keyed]") -> "Forecast":
        """A forecast that takes these for done, so that parallel workers spread out."""
        if not pending:
            return self
        features, forecast = self._encoder(pending), copy.copy(self)
        forecast._pending = pending
        forecast._model = self._model.believing(features)
        forecast._guesses = {at: each.believing(features) for at, each in self._guesses.items()}
        return forecast

    def gains(self, architectures: "Sequence[Keyed]", wish: np.ndarray | None = None) -> np.ndarray:
        """Logarithm of the expected improvement of each, or of the dominated hypervolume.

        wish: float64 [objectives], in standard deviations, by how much objectives that are neither
        learnt nor known are taken above their expectation; None for not at all.
        """
        features = self._encoder(architectures)
        weights = self._objectives.weights(architectures, self._learnt)
        mean, deviation = (part * weights for part in self._model.predict(features))
        front = self._front()
        if not self._others:
            gain = improvement.log_expected(mean, deviation, front[:, 0].max())
            return np.asarray(np.round(gain, DECIMALS))
        beside = self._beside(architectures, features, wish)
        told_weights = self._objectives.weights(self._architectures, self._learnt)
        seen = np.column_stack([self._model.values * told_weights, self._seen()])
        worst, span = seen.min(axis=0), np.ptp(seen, axis=0)
        reference = worst - MARGIN * np.where(span > 0, span, 1.0)
        gain = improvement.expected_hypervolume(mean, deviation, beside, front, reference)
        return np.asarray(np.round(np.log(np.maximum(gain, 1e-300)), DECIMALS))

    def _front(self) -> np.ndarray:
        """What was reached, and is going to be by what is under way, the learnt one first.

        float64 [n, objectives]
        """
        kept = self._model.kept[self._reached]
        weights = self._objectives.weights([self._architectures[at] for at in kept], self._learnt)
        learnt = self._model.at_kept()[self._reached] * weights
        front = np.column_stack([learnt, self._seen()[kept]])
        if not self._pending:
            return front
        believed = self.expected(self._pending)
        others = [at for at, _ in self._others]
        return np.vstack([front, believed[:, [self._learnt, *others]]])

    def repeated(self, count: int, left_out: "Collection[str]") -> "tuple[Keyed, float] | None":
        """Of the best `count` told the one of which another training would tell most, and how much.

        The knowledge gradient (Frazier et al. 2009, doi 10.1287/ijoc.1080.0314), the architectures
        taken for independent: by how much the expectation of the best one is going to rise.
        None with several objectives, where the noise of a training is not known, or nothing is
        left to ask for.

        left_out: keys of those that are not asked for, as they are being trained.
        """
        noise, best = self._model.noise, self.best(count + 1)
        if self._others or noise is None or len(best) < 2:
            return None
        mean, step = self._taught(best, noise)
        others = np.where(np.arange(len(best)) == mean.argmax(), np.sort(mean)[-2], mean.max())
        gains = improvement.expected(-np.abs(mean - others), step, np.zeros(len(best)))
        gains[[each.key in left_out for each in best]] = 0.0
        gains[count:] = 0.0  # the last is there for the first to have a rival
        at = int(gains.argmax())
        return (best[at], float(gains[at])) if gains[at] > 0 else None

    def first_trainings(self, architectures: "Sequence[Keyed]") -> np.ndarray:
        """What a first training of each would tell, float64 [n], in the measure of `repeated`."""
        noise = self._model.noise
        assert noise is not None, "a process knows its noise"
        mean, step = self._taught(architectures, noise)
        told, _ = self._taught(self.best(1), noise)
        return improvement.expected(mean, step, told)

    def _taught(
        self, architectures: "Sequence[Keyed]", noise: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of each the expected objective, and the deviation by which one training will move it."""
        weights = self._objectives.weights(architectures, self._learnt)
        mean, deviation = self._model.predict(self._encoder(architectures))
        return mean * weights, deviation**2 / np.hypot(deviation, noise) * weights

    def best(self, count: int) -> "list[Keyed]":
        """So many of the architectures reached, best first by what is believed of them.

        With several objectives by non-dominated rank, then the less crowded.
        """
        kept = self._model.kept[self._reached]
        chosen: dict[str, Keyed] = {}
        for row in kept[order(self._believed())]:
            chosen.setdefault(self._architectures[row].key, self._architectures[row])
        return list(chosen.values())[:count]

    def front(self, among: "Collection[str]") -> "list[Keyed]":
        """The architectures reached, among these keys, that none of them is believed to beat."""
        kept, values = self._model.kept[self._reached], self._believed()
        asked = np.array([self._architectures[row].key in among for row in kept])
        if asked.any():
            kept, values = kept[asked], values[asked]
        chosen = {self._architectures[row].key: row for row in kept[nondominated(values)]}
        return [self._architectures[row] for row in chosen.values()]

    def _believed(self) -> np.ndarray:
        """Of what was reached the objectives, the learnt one as is believed, of span 1."""
        kept = self._model.kept[self._reached]
        values = self._told[kept].copy()
        weights = self._objectives.weights(self._architectures, self._learnt)
        values[:, self._learnt] = self._model.at_kept()[self._reached] * weights[kept]
        span = np.ptp(values, axis=0)
        return np.asarray(np.round(values / np.where(span > 0, span, 1.0), DECIMALS))

    def expected(self, architectures: "Sequence[Keyed]") -> np.ndarray:
        """The objectives expected of each in their `units`, float64 [n, objectives]."""
        features = self._encoder(architectures)
        mean, _ = self._model.predict(features)
        found = np.empty((len(architectures), self._told.shape[1]))
        others = [at for at, _ in self._others]
        found[:, others] = self._beside(architectures, features, None)
        found[:, self._learnt] = mean * self._objectives.weights(architectures, self._learnt)
        return found

    def _beside(
        self, architectures: "Sequence[Keyed]", features: "Features", wish: np.ndarray | None
    ) -> np.ndarray:
        """The objectives beside the learnt one, [n, objectives - 1], known or foretold."""
        columns = []
        for at, is_known in self._others:
            if is_known:
                facts = (self._objectives.facts(each) for each in architectures)
                known = np.array([each.known[at] for each in facts], dtype=float)
                columns.append(known / self._units[at])
            else:
                mean, deviation = self._guesses[at].predict(features)
                hoped = mean if wish is None else mean + wish[at] * deviation
                columns.append(hoped * self._objectives.weights(architectures, at))
        return np.column_stack(columns) if columns else np.zeros((len(architectures), 0))

    def _seen(self) -> np.ndarray:
        """The objectives beside the learnt one as they were told, [n, objectives - 1]."""
        return np.asarray(self._told[:, [at for at, _ in self._others]])
