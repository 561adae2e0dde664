"""Bayesian optimisation over architectures, with what is known before training left exact.

As in BANANAS (White et al., AAAI 2021, arXiv 1910.11858) a model learns accuracies from encodings,
and the acquisition is maximised over mutants of the best architectures. Only accuracy is learnt:
latency, and with it the weight of accuracy in the reward, is known from the cost, so that the
expected improvement is that of the reward itself, or of the hypervolume with exact other axes.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from controllers.candidates import draw, free, mutants
from controllers.encoding import Encoder
from controllers.errors import check_whole
from controllers.forecast import Forecast
from controllers.from_record import FromRecord
from controllers.looks import looks, refits, since_best
from controllers.objectives import Objectives
from controllers.seeds import derive
from controllers.threads import one_thread

if TYPE_CHECKING:
    from controllers.accuracy_model import Shape
    from controllers.history import History
    from controllers.protocols import Cost, Keyed, Space

T = TypeVar("T")

PARENTS = 10
MUTANTS = 120
"""Of the best architectures told."""
DRAWN = 40
AGAIN = 60
"""Mutants of the most promising of all these."""
REMEMBERED = 3


def surrogate(
    space: "Space | None", cost: "Cost | None", seed: int, startup: int = 10
) -> "Surrogate":
    """Takes one objective, or two or three.

    Args:
        startup: completed trials before the model is asked; until then proposals are random.

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

    def propose(self, history: "History", rng: np.random.Generator) -> "Keyed":
        if len(history.lessons) < self._startup:
            return free(history, rng)
        with one_thread():
            found = [each for each in self.pool(history, self._look(history)) if history.free(each)]
            if not found:
                return free(history, rng)
            return found[int(self._gains(history, found, rng).argmax())]

    def pool(self, history: "History", look: int) -> "list[Keyed]":
        """The candidates gathered after the first `look` lessons."""
        return self._once("pool", history, look, lambda: self.gathered(history, look))

    def gathered(self, history: "History", look: int) -> "list[Keyed]":
        """Mutants of the best lessons, draws, and mutants of the most promising among these."""
        rng = np.random.default_rng(derive(self._seed, "pool", look))
        believed = self.forecast(history, look)
        found = mutants(history.space, believed.best(PARENTS), MUTANTS, rng)
        found += [draw(history.space, rng) for _ in range(DRAWN)]
        found = [each for each in distinct(found) if history.violation(each) <= 0]
        if not found:
            return found
        promising = np.argsort(-believed.gains(found), kind="stable")[:PARENTS]
        found += mutants(history.space, [found[at] for at in promising], AGAIN, rng)
        return distinct(found)

    def forecast(self, history: "History", told: int) -> Forecast:
        """What the first `told` lessons teach."""
        return self._once("forecast", history, told, lambda: self._forecast(history, told))

    def _forecast(self, history: "History", told: int) -> Forecast:
        objectives, encoder = self._tools(history)
        shape = self._shape(history, refits(self._startup, told))
        return Forecast(objectives, encoder, history.lessons[:told], (), shape)

    def _shape(self, history: "History", told: int) -> "Shape":
        objectives, encoder = self._tools(history)
        lessons = history.lessons[:told]
        return self._once(
            "shape", history, told, lambda: Forecast(objectives, encoder, lessons).shape
        )

    def _gains(
        self, history: "History", found: "list[Keyed]", rng: np.random.Generator
    ) -> np.ndarray:
        """The gains with all that is known now, what is under way included."""
        if not history.pending and len(history.signs) == 1:
            return self.forecast(history, len(history.lessons)).gains(found)
        objectives, encoder = self._tools(history)
        shape = self._shape(history, refits(self._startup, len(history.lessons)))
        wish = rng.standard_normal(len(history.signs))
        believed = Forecast(objectives, encoder, history.lessons, history.pending, shape, wish)
        return believed.gains(found)

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
        return known[2], known[3]

    def recalled(self, what: str, history: "History", told: int) -> object | None:
        """What was remembered for the first `told` lessons of this history, or None."""
        return self._memory.get((what, history.digest(told)))

    def remember(self, what: str, history: "History", told: int, found: object) -> None:
        """Keep it for as long as a few later ones of its kind have not come."""
        self._memory[what, history.digest(told)] = found
        of_kind = [key for key in self._memory if key[0] == what]
        for key in of_kind[:-REMEMBERED]:
            del self._memory[key]

    def _once(self, what: str, history: "History", told: int, make: Callable[[], T]) -> T:
        found = self.recalled(what, history, told)
        if found is None:
            found = make()
            self.remember(what, history, told, found)
        return cast(T, found)


def distinct(architectures: "list[Keyed]") -> "list[Keyed]":
    """Each network once, at its first place."""
    return list({each.key: each for each in architectures}.values())
