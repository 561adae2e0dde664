"""An LSTM policy trained by PPO, its proposals screened by a surrogate.

The policy is MnasNet's (`controllers/policy.py`, learning in `controllers/ppo_learner.py`). Alone
it needs hundreds of trials. Screened, it proposes a few hundred architectures, a surrogate
(`controllers/surrogate.py`) picks the one of the highest expected improvement, and the policy
learns from trained architectures and from what the surrogate expects of its own proposals
(DyNA-PPO, Angermueller et al., ICLR 2020). What makes it sample-efficient is the surrogate.
"""

from typing import TYPE_CHECKING

import numpy as np

from controllers.accuracy_model import half_rank
from controllers.candidates import free, mutants
from controllers.dominance import order
from controllers.errors import ControllerError, check_whole
from controllers.forecast import Forecast
from controllers.looks import looks
from controllers.policy import one_thread as torch_on_one_thread
from controllers.ppo_learner import Batch, PpoLearner
from controllers.seeds import derive
from controllers.surrogate import AGAIN, PARENTS, Surrogate, distinct
from controllers.threads import one_thread
from controllers.tokens import Vocabulary

if TYPE_CHECKING:
    from controllers.history import History, Lesson
    from controllers.protocols import Cost, Keyed, Space

PROPOSED = 200
IMAGINED = 32
"""Proposals at each look that the policy learns from as the surrogate, or a trial, values them."""
BEST = 10
"""Architectures that are imitated."""


def ppo(
    space: "Space | None", cost: "Cost | None", seed: int, screening: bool = True, startup: int = 10
) -> "Ppo":
    """Takes one objective, or (screened) two or three.

    Args:
        screening: whether a surrogate picks among the proposals; without it, plain PPO that never
            trains an architecture twice.
        startup: completed trials before the policy is asked; until then proposals are random.

    Raises:
        ControllerError: a startup that is no integer or below 2, a screening that is no bool.
    """
    check_whole("startup", startup, least=2)
    if not isinstance(screening, bool):
        raise ControllerError(f"screening {screening!r}: it must be true or false")
    return Ppo(space, cost, seed, screening, startup)


class Ppo(Surrogate):
    """Proposes what the policy draws and, with screening, the surrogate finds most promising."""

    def __init__(
        self,
        space: "Space | None",
        cost: "Cost | None",
        seed: int,
        screening: bool,
        startup: int,
    ) -> None:
        super().__init__("ppo", space, cost, seed, startup)
        self._screening = screening
        self._words: tuple[Space, Vocabulary] | None = None

    def propose(self, history: "History", rng: np.random.Generator) -> "Keyed":
        with torch_on_one_thread():
            if self._screening or len(history.lessons) < self._startup:
                return super().propose(history, rng)
            with one_thread():
                policy = self._learner(history, len(history.lessons)).policy
                words = self._vocabulary(history)
                count = len(words.options)
                return free(
                    history,
                    rng,
                    lambda: words.architectures(policy.draw(rng.random((1, count))))[0],
                )

    def gathered(self, history: "History", look: int) -> "list[Keyed]":
        """What the policy proposes, and mutants of the most promising of these."""
        rng = np.random.default_rng(derive(self._seed, "pool", look))
        found = self._drawn(history, self._learner(history, look), PROPOSED, rng)
        found = [each for each in distinct(found) if history.violation(each) <= 0]
        if not found:
            return found
        gains = self.forecast(history, look).gains(found)
        promising = [found[at] for at in np.argsort(-gains, kind="stable")[:PARENTS]]
        return distinct(found + mutants(history.space, promising, AGAIN, rng))

    def _drawn(
        self, history: "History", learner: PpoLearner, many: int, rng: np.random.Generator
    ) -> "list[Keyed]":
        words = self._vocabulary(history)
        return words.architectures(learner.policy.draw(rng.random((many, len(words.options)))))

    def _learner(self, history: "History", told: int) -> PpoLearner:
        """The learner that has looked at all that the first `told` lessons let it look at."""
        turns = looks(self._startup, told)
        at = len(turns)
        while at and (known := self.recalled("learner", history, turns[at - 1])) is None:
            at -= 1
        learner: PpoLearner
        if at:
            assert isinstance(known, PpoLearner)
            learner = known
        else:
            options = self._vocabulary(history).options
            learner = PpoLearner(options, derive(self._seed, "policy"))
        for turn in range(at, len(turns)):
            learner = learner.copy()
            self._learn(learner, history, turns[:turn], turns[turn])
            self.remember("learner", history, turns[turn], learner)
        return learner

    def _learn(self, learner: PpoLearner, history: "History", before: list[int], look: int) -> None:
        """Look at what was told since the look before."""
        lessons = history.lessons[:look]
        new = list(range(before[-1] if before else 0, look))
        rng = np.random.default_rng(derive(self._seed, "learn", look))
        drawn = self._drawn(history, learner, IMAGINED, rng)
        values, forecast = _values(lessons), None
        if self._screening:
            forecast = self.forecast(history, look)
        architectures, worth = _valued(drawn, lessons, values, forecast)
        # What a user enqueued is worth imitating, but no policy proposed it.
        own = [at for at in new if lessons[at].drawn]
        architectures = [lessons[at].architecture for at in own] + architectures
        worth = np.concatenate([values[own], worth])
        spread = float(worth.std()) or 1.0
        tokens, active = self._vocabulary(history)(architectures)
        made_by = [max((turn for turn in before if turn <= at), default=-1) for at in own]
        batch = Batch(
            tokens,
            active,
            (worth - worth.mean()) / spread,
            np.array(made_by + [-1] * (len(architectures) - len(own))),
        )
        leading = [lessons[at].architecture for at in _best(lessons)[:BEST]]
        learner.learn(batch, self._vocabulary(history)(leading), look)

    def _vocabulary(self, history: "History") -> Vocabulary:
        if self._words is None or self._words[0] is not history.space:
            self._words = (history.space, Vocabulary(history.space))
        return self._words[1]


def _values(lessons: "tuple[Lesson, ...]") -> np.ndarray:
    """One number a lesson, higher is better: the objective, or minus the place by dominance."""
    values = np.array([lesson.values for lesson in lessons])
    if values.shape[1] == 1:
        return half_rank(values[:, 0])
    return -np.argsort(order(values)).astype(float)


def _best(lessons: "tuple[Lesson, ...]") -> list[int]:
    values = np.array([lesson.values for lesson in lessons])
    return [int(row) for row in order(values)]


def _valued(
    drawn: "list[Keyed]",
    lessons: "tuple[Lesson, ...]",
    values: np.ndarray,
    forecast: Forecast | None,
) -> "tuple[list[Keyed], np.ndarray]":
    """The drawn architectures of which something is known, and what they are worth.

    Those that were trained before bring their result again, the others what is foretold.
    """
    told = {lesson.architecture.key: value for lesson, value in zip(lessons, values, strict=True)}
    if forecast is None:
        known = [each for each in drawn if each.key in told]
        return known, np.array([told[each.key] for each in known])
    expected = forecast.expected(drawn)
    if expected.shape[1] == 1:
        foretold = expected[:, 0]
    else:
        foretold = -_places(np.array([lesson.values for lesson in lessons]), expected)
    worth = [told.get(each.key, value) for each, value in zip(drawn, foretold, strict=True)]
    return drawn, np.array(worth)


def _places(told: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The place by dominance that each expected row would take among those told."""
    together = order(np.concatenate([told, expected]))
    return np.argsort(together)[len(told) :].astype(float)
