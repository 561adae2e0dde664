"""REINFORCE as an Optuna sampler: a policy learns which options pay (`controllers/policy.py`).

Nothing about the policy is stored. Its weights are a pure function of the seed and of the
completed trials in told order, learnt when a proposal is asked for, one step per full batch.
A search that is interrupted anywhere and resumed therefore goes on as if nothing had happened.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from controllers.bounds import within
from controllers.errors import check_whole
from controllers.from_record import FromRecord, check_one_objective
from controllers.seeds import derive
from controllers.tokens import Vocabulary

if TYPE_CHECKING:
    from optuna.study import Study

    from controllers.history import History
    from controllers.policy import Learner
    from controllers.protocols import Cost, Keyed, Space


def reinforce(
    space: "Space | None", cost: "Cost | None", seed: int, batch: int = 10
) -> "Reinforce":
    """The plain policy-gradient baseline; one objective only.

    Args:
        batch: completed trials a step of learning.

    Raises:
        ControllerError: a batch that is no integer or below 1.
    """
    check_whole("batch", batch, least=1)
    return Reinforce(space, cost, seed, batch)


class Reinforce(FromRecord):
    """Proposes what its policy draws, one decision after the other in the order of the space.

    Proposals may repeat: telling a known result again is free. Those beyond hard bounds are drawn
    again.
    """

    def __init__(self, space: "Space | None", cost: "Cost | None", seed: int, batch: int) -> None:
        super().__init__("reinforce", space, cost, seed)
        self._batch = batch
        self._words: tuple[Space, Vocabulary] | None = None
        self._learnt: tuple[str, Learner] | None = None  # the last one, and what it has seen

    def check(self, study: "Study") -> None:
        check_one_objective("reinforce", study)

    def propose(self, history: "History", rng: np.random.Generator) -> "Keyed":
        from controllers.policy import one_thread

        words = self._vocabulary(history)
        with one_thread():
            policy = self._learner(history, words).policy

            def rollout(_turn: int) -> Mapping[str, Any]:
                return words.choices(policy.rollout(rng.random(len(words.options)), words.matters))

            choices = within(history.space, history.cost, rollout)
        return history.space.architecture(choices)

    def _learner(self, history: "History", words: Vocabulary) -> "Learner":
        """The learner that has seen every full batch of what a controller drew."""
        from controllers.policy import Learner

        drawn = [at for at, lesson in enumerate(history.lessons, start=1) if lesson.drawn]
        ends = [0, *drawn[self._batch - 1 :: self._batch]]  # lessons after which a batch is full
        digests = [history.digests[end] for end in ends]
        if self._learnt is not None and self._learnt[0] in digests:
            seen, learner = digests.index(self._learnt[0]), self._learnt[1]
            learner = learner.copy() if ends[seen + 1 :] else learner
        else:
            seen, learner = 0, Learner(words.options, derive(self._seed, "policy"))
        for first, last in zip(ends[seen:], ends[seen + 1 :], strict=False):
            batch = [lesson for lesson in history.lessons[first:last] if lesson.drawn]
            tokens, active = words([lesson.architecture for lesson in batch])
            learner.learn(tokens, active, [lesson.values[0] for lesson in batch])
        self._learnt = (digests[-1], learner)
        return learner

    def _vocabulary(self, history: "History") -> Vocabulary:
        if self._words is None or self._words[0] is not history.space:
            self._words, self._learnt = (history.space, Vocabulary(history.space)), None
        return self._words[1]
