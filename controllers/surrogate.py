"""Bayesian optimisation over architectures, with what is known before training left exact.

As in BANANAS (White et al., AAAI 2021, arXiv 1910.11858) a model learns accuracies from encodings,
and the acquisition is maximised over mutants of the best architectures. Only accuracy is learnt:
latency, and with it the weight of accuracy in the reward, is known from the cost, so that the
expected improvement is that of the reward itself, or of the hypervolume with exact other axes.
"""

from collections.abc import Callable, Collection
from math import isfinite
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from controllers.candidates import DRAWS, balanced, draw, free, mutants
from controllers.encoding import Encoder
from controllers.errors import ControllerError, check_whole
from controllers.forecast import Forecast, Shapes
from controllers.from_record import Again, FromRecord
from controllers.looks import looks, refits, since_best
from controllers.objectives import Objectives
from controllers.record import TRAININGS
from controllers.seeds import derive
from controllers.threads import one_thread

if TYPE_CHECKING:
    from optuna.study import Study

    from controllers.history import History
    from controllers.protocols import Cost, Keyed, Space

T = TypeVar("T")

PARENTS = 10
MUTANTS = 120
"""Of the best architectures told."""
DRAWN = 40
PROMISING = 10
FROM_PROMISING = 60
"""Mutants of the most promising of all these."""
LEADING = 5
"""Of so many best ones one may be trained again, where the study can tell two trainings apart, and
of so many new ones none may then promise more."""
MOST_OBJECTIVES = 3
KEPT = 3
"""Results of each kind that are remembered: one proposal asks for no more."""


def surrogate(
    space: "Space | None", cost: "Cost | None", seed: int, startup: int = 10
) -> "Surrogate":
    """Takes one objective, or two or three.

    Args:
        startup: completed trials before the model is asked; until then proposals are drawn so that
            every option of every decision is tried about as often.

    Raises:
        ControllerError: a startup that is no integer or below 2.
    """
    check_whole("startup", startup, least=2)
    return Surrogate("surrogate", space, cost, seed, startup)


class Surrogate(FromRecord):
    """Proposes what promises the highest expected improvement among mutants and draws.

    Candidates are gathered at looks (`controllers/looks.py`) and after every new best value; the
    model takes in each result at once.
    """

    def __init__(
        self, name: str, space: "Space | None", cost: "Cost | None", seed: int, startup: int
    ) -> None:
        super().__init__(name, space, cost, seed)
        self._startup = startup
        self._known: tuple[Space, tuple[float, ...], Objectives, Encoder] | None = None
        self._memory: dict[tuple[str, str], object] = {}

    def propose(self, history: "History", rng: np.random.Generator) -> "Keyed | Again":
        if len(history.lessons) < self._startup:
            return self.first(history, rng)
        with one_thread():
            pool = self.pool(history, self._look(history))
            found = [each for each in pool if history.free(each)]
            if not found:
                parents = self.forecast(history, len(history.lessons)).best(PARENTS)
                turns = iter(mutants(history.space, parents, DRAWS + 1, rng))
                last = free(history, rng, lambda: next(turns))
                if not history.free(last):  # nothing new is left
                    return self._again(history, []) or last
                found = [last]
            order = np.argsort(-self._gains(history, found, rng), kind="stable")
            new = [found[at] for at in order[:LEADING]]
            return self._again(history, new) or new[0]

    def check(self, study: "Study") -> None:
        if len(study.directions) > MOST_OBJECTIVES:
            raise ControllerError(
                f"{self} takes up to {MOST_OBJECTIVES} objectives and this study has "
                f"{len(study.directions)}: choose another controller, such as evolution"
            )

    def best_first(self, history: "History") -> "list[Keyed]":
        with one_thread():
            learnt = self.all_learnt(history)
            return learnt.best(len(history.lessons)) if learnt else super().best_first(history)

    def unbeaten(self, history: "History", among: "Collection[str]") -> "list[Keyed]":
        with one_thread():
            learnt = self.all_learnt(history)
            return learnt.front(among) if learnt else super().unbeaten(history, among)

    def all_learnt(self, history: "History") -> Forecast | None:
        """What all lessons teach; None before there are enough."""
        told = len(history.lessons)
        return None if told < self._startup else self.forecast(history, told)

    def first(self, history: "History", rng: np.random.Generator) -> "Keyed":
        """A proposal before anything is learnt."""
        design = iter([balanced(history.space, self._seed, history.number)])
        return free(history, rng, lambda: next(design, None) or draw(history.space, rng))

    def pool(self, history: "History", look: int) -> "list[Keyed]":
        """The candidates gathered after the first `look` lessons."""
        return self.remembered("pool", history, look, lambda: self.gathered(history, look))

    def gathered(self, history: "History", look: int) -> "list[Keyed]":
        """Mutants of the best lessons, draws, and mutants of the most promising among these."""
        rng = np.random.default_rng(derive(self._seed, "pool", look))
        found = mutants(history.space, self.forecast(history, look).best(PARENTS), MUTANTS, rng)
        found += [draw(history.space, rng) for _ in range(DRAWN)]
        return self.refined(history, look, found, rng)

    def refined(
        self, history: "History", look: int, found: "list[Keyed]", rng: np.random.Generator
    ) -> "list[Keyed]":
        """What of `found` is within the bounds, and mutants of the most promising of it."""
        found = [each for each in distinct(found) if history.violation(each) <= 0]
        if not found:
            return found
        gains = self.forecast(history, look).gains(found)
        promising = [found[at] for at in np.argsort(-gains, kind="stable")[:PROMISING]]
        return distinct(found + mutants(history.space, promising, FROM_PROMISING, rng))

    def forecast(self, history: "History", told: int) -> Forecast:
        """What the first `told` lessons teach."""
        return self.remembered("forecast", history, told, lambda: self._forecast(history, told))

    def remembered(self, what: str, history: "History", told: int, make: Callable[[], T]) -> T:
        """What `make` gives, remembered for the first `told` lessons of this history."""
        found = self.recalled(what, history, told)
        if found is None:
            found = make()
            self.remember(what, history, told, found)
        return cast(T, found)

    def recalled(self, what: str, history: "History", told: int) -> object | None:
        """What was remembered for the first `told` lessons of this history, or None."""
        return self._memory.get((what, history.digests[told]))

    def remember(self, what: str, history: "History", told: int, found: object) -> None:
        """Keep it until a few later ones of its kind have come."""
        self._memory[what, history.digests[told]] = found
        of_kind = [key for key in self._memory if key[0] == what]
        for key in of_kind[:-KEPT]:
            del self._memory[key]

    def _forecast(self, history: "History", told: int) -> Forecast:
        objectives, encoder = self._tools(history)
        shapes = self._shapes(history, refits(self._startup, told))
        lessons = history.lessons[:told]
        return Forecast(objectives, encoder, lessons, shapes, history.violation)

    def _shapes(self, history: "History", told: int) -> Shapes:
        objectives, encoder = self._tools(history)
        lessons = history.lessons[:told]
        return self.remembered(
            "shapes", history, told, lambda: Forecast(objectives, encoder, lessons).shapes
        )

    def _gains(
        self, history: "History", found: "list[Keyed]", rng: np.random.Generator
    ) -> np.ndarray:
        """The gains with all that is known now, what is under way included."""
        return self._believed(history).gains(found, rng.standard_normal(len(history.signs)))

    def _again(self, history: "History", new: "list[Keyed]") -> Again | None:
        """One of the best told, where another training of it tells more than that of any new one.

        new: the most promising, best first.
        """
        if not history.repeats:
            return None
        believed = self._believed(history)
        enough = {key for key, times in history.tries.items() if times >= TRAININGS}
        under_way = {each.key for each in history.pending}
        again = believed.repeated(LEADING, enough | under_way | history.stopped())
        if again is None or (new and again[1] <= believed.first_trainings(new).max()):
            return None
        return Again(again[0])

    def _believed(self, history: "History") -> Forecast:
        """The forecast for which is done what is under way, but for what cannot be built."""
        pending = [each for each in history.pending if isfinite(history.violation(each))]
        return self.forecast(history, len(history.lessons)).believing(pending)

    def _look(self, history: "History") -> int:
        values = [lesson.values[0] for lesson in history.lessons]
        look = looks(self._startup, len(values))[-1]
        # Of several objectives each look finds the front as it is; one alone has a best value.
        return look if len(history.signs) > 1 else since_best(values, self._startup, look)

    def _tools(self, history: "History") -> tuple[Objectives, Encoder]:
        known = self._known
        if known is None or known[0] is not history.space or known[1] != history.signs:
            objectives = Objectives(history.cost, history.signs)
            measure = objectives.measure if history.cost is not None else None
            encoder = Encoder(history.space, measure)
            known = self._known = (history.space, history.signs, objectives, encoder)
            self._memory.clear()
        return known[2], known[3]


def distinct(architectures: "list[Keyed]") -> "list[Keyed]":
    """Each network once, at its first place."""
    found: dict[str, Keyed] = {}
    for each in architectures:
        found.setdefault(each.key, each)
    return list(found.values())
