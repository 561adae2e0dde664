"""Optuna's own samplers under our names, with settings that suit tens to hundreds of trials."""

import warnings
from functools import partial
from typing import TYPE_CHECKING

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

from controllers.errors import check_whole
from controllers.generations import ToldGenerations
from controllers.per_trial import PerTrial

if TYPE_CHECKING:
    from controllers.protocols import Cost, Space


def random(space: "Space | None", cost: "Cost | None", seed: int) -> BaseSampler:
    """Uniform over the options of every decision: what any other controller has to beat."""
    return PerTrial("random", seed, _random, space, cost)


def tpe(space: "Space | None", cost: "Cost | None", seed: int, startup: int = 10) -> BaseSampler:
    """Tree-structured Parzen estimator (Bergstra et al. 2011; Watanabe 2023, arXiv 2304.11127).

    Optuna's defaults: after the random start, the best of 24 candidates; for one objective the
    decisions are modelled jointly, and trials that are still running are held to be bad ones so
    that parallel workers spread out. Takes one objective or several.

    Args:
        startup: completed trials before the model is asked; until then proposals are random.

    Raises:
        ControllerError: a startup that is no integer or below 0.
    """
    check_whole("startup", startup, least=0)

    return PerTrial("tpe", seed, partial(_tpe, startup), space, cost)


def nsga2(
    space: "Space | None", cost: "Cost | None", seed: int, population: int = 10
) -> BaseSampler:
    """NSGA-II (Deb et al. 2002), Optuna's operators. Takes one objective or several.

    Args:
        population: trials a generation, the first of them random. Optuna's default of 50 spends
            a small budget on random trials; about a tenth of the trials, and not below 10, is
            better.

    Raises:
        ControllerError: a population that is no integer or below 2.
    """
    check_whole("population", population, least=2)
    return PerTrial("nsga2", seed, partial(ToldGenerations, population), space, cost)


def gp(space: "Space | None", cost: "Cost | None", seed: int, startup: int = 10) -> BaseSampler:
    """Gaussian process over the decisions, Optuna's own. Takes one objective or several.

    Args:
        startup: completed trials before the model is asked; until then proposals are random.

    Raises:
        ControllerError: a startup that is no integer or below 1.
    """
    check_whole("startup", startup, least=1)
    return PerTrial("gp", seed, partial(_gp, startup), space, cost)


# What a sampler is made of stands outside of functions: samplers can be pickled.
def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def _tpe(startup: int, seed: int) -> BaseSampler:
    return TPESampler(seed=seed, n_startup_trials=startup)


def _gp(startup: int, seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return GPSampler(seed=seed, n_startup_trials=startup, deterministic_objective=False)
