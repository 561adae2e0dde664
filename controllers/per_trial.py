"""Optuna's own samplers made replayable: a new one for every question, seeded by the trial."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from controllers.bounds import within
from controllers.protocols import Bounded
from controllers.seeds import derive

if TYPE_CHECKING:
    from controllers.protocols import Cost, Space


class PerTrial(BaseSampler):
    """A sampler without memory: what it answers depends on the study and the trial alone.

    Optuna's samplers draw from one random stream for the whole study, so a resumed study goes on
    differently. Here each question (all decisions together, or one decision by name) gets a
    sampler of its own, seeded by (seed, trial number, question). This also makes it safe to share
    between threads, and a trial that was interrupted half-way is completed in the same way.

    Given a space and hard bounds in its cost, all decisions are asked for together, again and again
    until they lie within the bounds.

    Args:
        name: how the sampler calls itself.
        seed: the seed of the search.
        fresh: makes the sampler that answers, from a seed of 32 bits.
        space: what is searched, or None.
        cost: what is known before training, or None.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        fresh: Callable[[int], BaseSampler],
        space: "Space | None" = None,
        cost: "Cost | None" = None,
    ) -> None:
        self._name, self._seed, self._fresh = name, seed, fresh
        self._bounded = (space, cost) if space is not None and isinstance(cost, Bounded) else None

    def __str__(self) -> str:
        return self._name

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        if self._bounded is not None:
            return dict(self._bounded[0].distributions())
        return self._sampler(trial, "together").infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        # A user who fixes some decisions leaves too few to tell by what lies within the bounds.
        if self._bounded is not None and self._bounded[0].distributions() == search_space:
            return dict(within(*self._bounded, partial(self._together, study, trial, search_space)))
        return self._sampler(trial, "together").sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        sampler = self._sampler(trial, "one", param_name)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _together(
        self,
        study: Study,
        trial: FrozenTrial,
        decisions: dict[str, BaseDistribution],
        turn: int,
    ) -> dict[str, Any]:
        """What the sampler proposes for all decisions when it is asked for the `turn`-th time."""
        again = (str(turn),) if turn else ()
        sampler = self._sampler(trial, "together", *again)
        shared = sampler.infer_relative_search_space(study, trial)
        sampler = self._sampler(trial, "together", *again)
        found = dict(sampler.sample_relative(study, trial, shared))
        for name, distribution in decisions.items():
            if name not in found:
                sampler = self._sampler(trial, "one", name, *again)
                found[name] = sampler.sample_independent(study, trial, name, distribution)
        return found

    def _sampler(self, trial: FrozenTrial, *question: str) -> BaseSampler:
        return self._fresh(derive(self._seed, trial.number, *question))
