"""What is believed at one moment of a search, and what another trial would be worth."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from controllers import improvement
from controllers.accuracy_model import AccuracyModel, Shape
from controllers.dominance import order

if TYPE_CHECKING:
    from controllers.encoding import Encoder, Features
    from controllers.history import Lesson
    from controllers.objectives import Objectives
    from controllers.protocols import Keyed

DECIMALS = 6
"""Processors round differently, and what is equal to them should be equal here."""
MARGIN = 0.1
"""Beyond the worst value seen, as a share of the span: where hypervolume begins to count."""


class Forecast:
    """The learnt objective foretold for any architecture, the others known or foretold too.

    Args:
        objectives, encoder: of the study and its space.
        lessons: at least one.
        pending: what is being trained: taken for done, with the results that are expected, so that
            parallel workers spread out (Ginsbourger et al. 2010, "kriging believer").
        shape: of the accuracy model, or None to choose one.
        wish: float64 [objectives], in standard deviations: by how much objectives that are neither
            learnt nor known are taken above their expectation.
    """

    def __init__(
        self,
        objectives: "Objectives",
        encoder: "Encoder",
        lessons: "Sequence[Lesson]",
        pending: "Sequence[Keyed]" = (),
        shape: Shape | None = None,
        wish: np.ndarray | None = None,
    ) -> None:
        self._objectives, self._encoder, self._lessons = objectives, encoder, lessons
        self._architectures = [lesson.architecture for lesson in lessons]
        self._features = encoder(self._architectures)
        self._others = objectives.others(lessons)
        self._wish = np.zeros(len(objectives.signs)) if wish is None else wish
        self._learnt = objectives.learnt(lessons)
        accuracies = objectives.unknown(lessons, self._learnt)
        self._model = AccuracyModel(self._features, accuracies, shape)
        self.shape = self._model.shape
        self._guesses = {
            at: AccuracyModel(self._features, objectives.unknown(lessons, at), self.shape)
            for at, is_known in self._others
            if not is_known
        }
        if pending:
            self._believe(pending, accuracies)
        self._mean, _ = self._model.predict(self._features)

    def gains(self, architectures: "Sequence[Keyed]") -> np.ndarray:
        """Logarithm of the expected improvement of each, or of the dominated hypervolume."""
        features = self._encoder(architectures)
        mean, deviation = self._model.predict(features)
        weights = self._objectives.weights(architectures, self._learnt)
        if not self._others:
            told = self._objectives.weights(self._architectures, self._learnt)
            best = (self._mean * told).max()
            gain = improvement.log_expected(mean * weights, deviation * weights, best)
            return np.asarray(np.round(gain, DECIMALS))
        known = self._beside(architectures, features, self._wish)
        front = np.column_stack([self._mean, self._seen()])
        reached = np.column_stack([self._model.values[: len(self._lessons)], self._seen()])
        worst, best_of = reached.min(axis=0), reached.max(axis=0)
        reference = worst - MARGIN * np.maximum(best_of - worst, 1e-9)
        gain = improvement.expected_hypervolume(mean, deviation, known, front, reference)
        return np.asarray(np.round(np.log(np.maximum(gain, 1e-300)), DECIMALS))

    def best(self, count: int) -> "list[Keyed]":
        """So many of the architectures told, best first by what is believed of them.

        With several objectives by non-dominated rank, then the less crowded.
        """
        values = self.expected(self._architectures)
        chosen: dict[str, Keyed] = {}
        for row in order(np.round(values, DECIMALS)):
            chosen.setdefault(self._architectures[row].key, self._architectures[row])
        return list(chosen.values())[:count]

    def expected(self, architectures: "Sequence[Keyed]") -> np.ndarray:
        """The objectives expected of each, float64 [n, objectives], higher is better."""
        features = self._encoder(architectures)
        mean, _ = self._model.predict(features)
        found = np.empty((len(architectures), len(self._wish)))
        others = [at for at, _ in self._others]
        found[:, others] = self._beside(architectures, features, 0 * self._wish)
        found[:, self._learnt] = mean * self._objectives.weights(architectures, self._learnt)
        return found

    def _beside(
        self, architectures: "Sequence[Keyed]", features: "Features", wish: np.ndarray
    ) -> np.ndarray:
        """The objectives beside the learnt one, [n, objectives - 1], known or foretold."""
        columns = []
        for at, is_known in self._others:
            if is_known:
                facts = (self._objectives.facts(each) for each in architectures)
                columns.append(np.array([each.known[at] for each in facts], dtype=float))
            else:
                mean, deviation = self._guesses[at].predict(features)
                weights = self._objectives.weights(architectures, at)
                columns.append(weights * (mean + wish[at] * deviation))
        return np.column_stack(columns) if columns else np.zeros((len(architectures), 0))

    def _seen(self) -> np.ndarray:
        """The objectives beside the learnt one as they were told, those foretold flattened."""
        return np.column_stack(
            [
                np.array([lesson.values[at] for lesson in self._lessons])
                if is_known
                else self._guesses[at].values * self._objectives.weights(self._architectures, at)
                for at, is_known in self._others
            ]
        )

    def _believe(self, pending: "Sequence[Keyed]", accuracies: np.ndarray) -> None:
        """Take the pending ones for told, each with what is expected of it."""
        expected, _ = self._model.predict(self._encoder(pending))
        features = self._encoder([*self._architectures, *pending])
        self._model = AccuracyModel(features, np.concatenate([accuracies, expected]), self.shape)
