"""Optuna's own samplers made replayable: a new one for every question, seeded by the trial."""

from collections.abc import Callable
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from controllers.seeds import derive


class PerTrial(BaseSampler):
    """A sampler without memory: what it answers depends on the study and the trial alone.

    Optuna's samplers draw from one random stream for the whole study, so a resumed study goes on
    differently. Here each question (all decisions together, or one decision by name) gets a
    sampler of its own, seeded by (seed, trial number, question). This also makes it safe to share
    between threads, and a trial that was interrupted half-way is completed in the same way.

    Args:
        name: how the sampler calls itself.
        seed: the seed of the search.
        fresh: makes the sampler that answers, from a seed of 32 bits.
    """

    def __init__(self, name: str, seed: int, fresh: Callable[[int], BaseSampler]) -> None:
        self._name = name
        self._seed = seed
        self._fresh = fresh

    def __str__(self) -> str:
        return self._name

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler(trial, "together").infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
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

    def _sampler(self, trial: FrozenTrial, *question: str) -> BaseSampler:
        return self._fresh(derive(self._seed, trial.number, *question))
