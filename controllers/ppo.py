"""An LSTM policy trained by PPO, its proposals screened by a surrogate.

The policy is MnasNet's (`controllers/policy.py`, learning in `controllers/ppo_learner.py`). Alone
it needs hundreds of trials. Screened, it proposes a few hundred architectures, a surrogate
(`controllers/surrogate.py`) picks the one of the highest expected improvement, and the policy
learns from trained architectures and from what the surrogate expects of its own proposals
(DyNA-PPO, Angermueller et al., ICLR 2020). What makes it sample-efficient is the surrogate.

A draw is made canonical before anything is learnt from it: decisions that turn out not to matter
stand at their first option, and neither their choice nor their entropy counts.
"""

from itertools import chain
from typing import TYPE_CHECKING, cast

import numpy as np

from controllers.accuracy_model import half_rank
from controllers.candidates import DRAWS, free, mutants
from controllers.dominance import order
from controllers.errors import ControllerError, check_whole
from controllers.from_record import Again
from controllers.looks import EVERY, looks
from controllers.objectives import units
from controllers.policy import one_thread as torch_on_one_thread
from controllers.ppo_learner import Batch, PpoLearner
from controllers.seeds import derive
from controllers.surrogate import PARENTS, Surrogate, distinct
from controllers.tokens import Vocabulary

if TYPE_CHECKING:
    from controllers.forecast import Forecast
    from controllers.history import History, Lesson
    from controllers.protocols import Cost, Keyed, Space

PROPOSED = 200
BESIDE = 40
"""Mutants of the best architectures told, beside what the policy proposes."""
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

    def propose(self, history: "History", rng: np.random.Generator) -> "Keyed | Again":
        with torch_on_one_thread():
            if self._screening or len(history.lessons) < self._startup:
                return super().propose(history, rng)
            learner = self._learner(history, len(history.lessons))
            drawn = self._drawn(history, learner, DRAWS, rng)
            # A policy that is sure of itself repeats itself: then what lies near its proposals.
            turns = chain(distinct(drawn), mutants(history.space, drawn, DRAWS, rng))
            return free(history, rng, lambda: next(turns))

    def all_learnt(self, history: "History") -> "Forecast | None":
        return super().all_learnt(history) if self._screening else None

    def gathered(self, history: "History", look: int) -> "list[Keyed]":
        """What the policy proposes, mutants of the best, and of the most promising of all."""
        rng = np.random.default_rng(derive(self._seed, "pool", look))
        found = self._drawn(history, self._learner(history, look), PROPOSED, rng)
        found += mutants(history.space, self.forecast(history, look).best(PARENTS), BESIDE, rng)
        return self.refined(history, look, found, rng)

    def _drawn(
        self, history: "History", learner: PpoLearner, many: int, rng: np.random.Generator
    ) -> "list[Keyed]":
        words = self._vocabulary(history)
        return words.architectures(learner.policy.draw(rng.random((many, len(words.options)))))

    def _learner(self, history: "History", told: int) -> PpoLearner:
        """The learner that has looked at all that the first `told` lessons let it look at."""
        turns = looks(self._startup, told, EVERY)
        at = len(turns)
        while at and self.recalled("learner", history, turns[at - 1]) is None:
            at -= 1
        if at:
            learner = cast(PpoLearner, self.recalled("learner", history, turns[at - 1]))
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
        # What a user enqueued is worth imitating, but no controller proposed it.
        new = [each for each in lessons[before[-1] if before else 0 :] if each.drawn]
        rng = np.random.default_rng(derive(self._seed, "learn", look))
        drawn = self._drawn(history, learner, IMAGINED, rng)
        if self._screening:
            batch = self._foretold(history, look, new, drawn)
        else:
            batch = self._known_only(history, lessons, new, drawn, before)
        learner.learn(batch, self._vocabulary(history)(self._imitated(history, look)), look)

    def _imitated(self, history: "History", look: int) -> "list[Keyed]":
        """The best networks of the first `look` lessons, none twice, within the bounds if any is.

        With screening by what the surrogate believes of them, without it by what they showed.
        """
        if self._screening:
            return self.forecast(history, look).best(BEST)
        lessons = history.lessons[:look]
        values = np.array([lesson.values for lesson in lessons])
        ordered = [lessons[at].architecture for at in order(values)]
        within = [each for each in ordered if history.violation(each) <= 0]
        return distinct(within or ordered)[:BEST]

    def _foretold(
        self, history: "History", look: int, new: "list[Lesson]", drawn: "list[Keyed]"
    ) -> Batch:
        """New lessons and the policy's own draws, all as the surrogate values them.

        A surrogate chose what was trained: how likely the policy was to propose it weighs nothing.
        What lies beyond the bounds, or cannot even be built, is worth as much as the worst.
        """
        rows = [lesson.architecture for lesson in new] + drawn
        within = np.array([history.violation(each) <= 0 for each in rows])
        worth = np.zeros(len(rows))
        if within.any():
            known = [each for each, is_within in zip(rows, within, strict=True) if is_within]
            worth[within] = _worth(self.forecast(history, look).expected(known))
            worth[~within] = worth[within].min()
        return self._batch(history, rows, worth, [-1] * len(rows))

    def _known_only(
        self,
        history: "History",
        lessons: "tuple[Lesson, ...]",
        new: "list[Lesson]",
        drawn: "list[Keyed]",
        before: list[int],
    ) -> Batch:
        """New lessons, and those draws that were trained before: their result counts again."""
        worth = _worth(np.array([lesson.values for lesson in lessons]))
        told = {
            lesson.architecture.key: float(value)
            for lesson, value in zip(lessons, worth, strict=True)
        }
        again = [each for each in drawn if each.key in told]
        rows = [lesson.architecture for lesson in new] + again
        made_by = [max((turn for turn in before if turn <= each.asked), default=-1) for each in new]
        values = np.array([told[row.key] for row in rows])
        return self._batch(history, rows, values, made_by + [-1] * len(again))

    def _batch(
        self, history: "History", rows: "list[Keyed]", worth: np.ndarray, made_by: list[int]
    ) -> Batch:
        tokens, active = self._vocabulary(history)(rows)
        if len(rows):
            worth = (worth - worth.mean()) / (float(worth.std()) or 1.0)
        return Batch(tokens, active, worth, np.array(made_by))

    def _vocabulary(self, history: "History") -> Vocabulary:
        if self._words is None or self._words[0] is not history.space:
            self._words = (history.space, Vocabulary(history.space))
        return self._words[1]


def _worth(values: np.ndarray) -> np.ndarray:
    """One number a row, higher is better: the objective, or minus the place by dominance."""
    if values.shape[1] == 1:
        return half_rank(values[:, 0] / units(values)[0])
    return -np.argsort(order(values)).astype(float)
