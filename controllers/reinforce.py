"""REINFORCE as an Optuna sampler: a policy learns which options pay (`controllers/policy.py`).

Nothing about the policy is stored. Its weights are a pure function of the seed and of the
completed trials in told order, learnt when a proposal is asked for, one step per full batch.
A search that is interrupted anywhere and resumed therefore goes on as if nothing had happened.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from controllers.bounds import within
from controllers.discretise import Axis, axes
from controllers.errors import check_whole
from controllers.from_record import check_one_objective
from controllers.record import FIXED, told
from controllers.seeds import derive

if TYPE_CHECKING:
    from controllers.policy import Learner
    from controllers.protocols import Cost, Space


def reinforce(space: "Space | None", cost: "Cost | None", seed: int, batch: int = 5) -> "Reinforce":
    """The plain policy-gradient baseline; one objective only.

    Args:
        batch: completed trials a step of learning.

    Raises:
        ControllerError: a batch that is no integer or below 1.
    """
    check_whole("batch", batch, least=1)
    return Reinforce(space, cost, seed, batch)


class Reinforce(BaseSampler):
    """Proposes by an LSTM over the decisions of `space`, or over those that all trials share.

    Failed, pruned and infinite trials teach it nothing. With a space, decisions that the choices
    before them switch off take their first option and no credit. Ranges of numbers become at most
    `discretise.GRID` options. Proposals may repeat: telling a known result again is free.

    Raises:
        ControllerError: on the first proposal, in a study with several objectives.
    """

    def __init__(self, space: "Space | None", cost: "Cost | None", seed: int, batch: int) -> None:
        self._space, self._cost = space, cost
        self._seed, self._batch = seed, batch
        # The last learner and the digest of all it has seen. Replaced, never changed: threads
        # of one study share the sampler.
        self._learnt: tuple[bytes, Learner] | None = None

    def __str__(self) -> str:
        return "reinforce"

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        check_one_objective("reinforce", study)
        if self._space is not None:
            return dict(self._space.distributions())
        return IntersectionSearchSpace().calculate(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        check_one_objective("reinforce", study)
        if not search_space:
            return {}
        from controllers.policy import one_thread

        decisions = axes(search_space)
        active = self._active(decisions)
        uniforms = np.random.default_rng(derive(self._seed, trial.number, "rollout"))
        with one_thread():
            policy = self._learner(study, trial, decisions).policy

            def rollout(_turn: int) -> dict[str, Any]:
                drawn = uniforms.random(len(decisions))
                tokens = policy.rollout(drawn, lambda tokens: active(tokens)[len(tokens)])
                return _choices(decisions, tokens)

            if self._space is None or self._cost is None or not self._takes_all(decisions):
                return rollout(0)
            return dict(within(self._space, self._cost, rollout))

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        check_one_objective("reinforce", study)
        uniform = RandomSampler(seed=derive(self._seed, trial.number, "one", param_name))
        return uniform.sample_independent(study, trial, param_name, param_distribution)

    def _learner(self, study: Study, trial: FrozenTrial, decisions: tuple[Axis, ...]) -> "Learner":
        """The learner that has seen every full batch told before `trial` was asked for."""
        from controllers.policy import Learner

        batches = _batches(_lessons(told(study, trial), decisions), self._batch)
        digests = _digests(study.direction, decisions, batches)
        cached = self._learnt
        if cached is not None and cached[0] in digests:
            seen, learner = digests.index(cached[0]), cached[1]
        else:
            counts = [len(axis.options) for axis in decisions]
            seen, learner = 0, Learner(counts, derive(self._seed, "policy"))
        if batches[seen:]:
            learner = learner.copy()
            for batch in batches[seen:]:
                self._learn(learner, study.direction, decisions, batch)
        self._learnt = (digests[-1], learner)
        return learner

    def _learn(
        self,
        learner: "Learner",
        direction: StudyDirection,
        decisions: tuple[Axis, ...],
        batch: Sequence[FrozenTrial],
    ) -> None:
        sign = 1.0 if direction == StudyDirection.MAXIMIZE else -1.0
        tokens = np.array([[a.index(t.params[a.name]) for a in decisions] for t in batch])
        matter = self._active(decisions)
        active = np.array([matter(row) for row in tokens.tolist()])
        learner.learn(tokens, active, [sign * _value(trial) for trial in batch])

    def _active(self, decisions: tuple[Axis, ...]) -> Callable[[Sequence[int]], list[bool]]:
        """Which decisions matter under the tokens taken so far; those to come may be missing."""
        if self._space is None or not self._takes_all(decisions):
            return lambda tokens: [True] * len(decisions)
        active = self._space.active

        def matter(tokens: Sequence[int]) -> list[bool]:
            # Conditions only ever look back, so any option will do for a decision to come.
            to_come = [0] * (len(decisions) - len(tokens))
            names = active(_choices(decisions, [*tokens, *to_come]))
            return [axis.name in names for axis in decisions]

        return matter

    def _takes_all(self, decisions: tuple[Axis, ...]) -> bool:
        """Whether the space can tell of these decisions: a user who fixes some leaves too few."""
        return self._space is not None and len(self._space.distributions()) == len(decisions)


def _choices(decisions: tuple[Axis, ...], tokens: Sequence[int]) -> dict[str, Any]:
    return {a.name: a.options[token] for a, token in zip(decisions, tokens, strict=True)}


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None, "a completed trial has a value"
    return trial.value


def _lessons(trials: Sequence[FrozenTrial], decisions: tuple[Axis, ...]) -> list[FrozenTrial]:
    """The trials with a finite value that took all these decisions, drawn and not given."""
    names = {axis.name for axis in decisions}
    drawn = [t for t in trials if FIXED not in t.system_attrs]
    return [t for t in drawn if math.isfinite(_value(t)) and names <= t.params.keys()]


def _batches(trials: Sequence[FrozenTrial], size: int) -> list[Sequence[FrozenTrial]]:
    """The full batches; the rest waits, so that a batch never depends on when it is looked at."""
    return [trials[end - size : end] for end in range(size, len(trials) + 1, size)]


def _digests(
    direction: StudyDirection,
    decisions: tuple[Axis, ...],
    batches: Sequence[Sequence[FrozenTrial]],
) -> list[bytes]:
    """One digest of everything learnt from before the first batch and after each."""
    seen = hashlib.sha256(repr((direction.name, decisions)).encode())
    digests = [seen.digest()]
    for batch in batches:
        for trial in batch:
            seen.update(repr((trial.value, [trial.params[a.name] for a in decisions])).encode())
        digests.append(seen.copy().digest())
    return digests
