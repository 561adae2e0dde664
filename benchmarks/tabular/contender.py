"""Whom a table is searched by: a controller of ours or any sampler of Optuna's, with options."""

import inspect
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from benchmarks.tabular.task import Task
from controllers.errors import ControllerError
from nas import controller_options, plugins
from nas.errors import UserError
from nas.proposals import refuse_unfit


@dataclass(frozen=True, slots=True)
class Contender:
    """`ppo`, `ppo:screening=false`, `NSGAIISampler:population_size=20`..."""

    name: str
    options: tuple[tuple[str, Any], ...]

    @property
    def text(self) -> str:
        """As it is written on the command line."""
        given = "+".join(f"{name}={str(value).lower()}" for name, value in self.options)
        return f"{self.name}:{given}" if given else self.name

    def sampler(self, task: Task, seed: int) -> BaseSampler:
        """Make it for a search of this seed. Raises UserError for options that it refuses."""
        if self.name in plugins.names("controllers"):
            return plugins.controller(
                self.name, space=task.space, cost=task.known(), seed=seed, **dict(self.options)
            )
        try:
            made: BaseSampler = getattr(optuna.samplers, self.name)(seed=seed, **dict(self.options))
        except (TypeError, ValueError) as error:
            raise self._unfit(error) from None
        return made

    def refuse(self, task: Task) -> None:
        """Raise UserError or ControllerError where it cannot search this."""
        sampler = self.sampler(task, 0)
        try:
            refuse_unfit(sampler, task.space, task.directions)
        except ControllerError:
            raise
        except Exception as error:  # samplers of Optuna look at some options only when asked
            raise self._unfit(error) from None

    def _unfit(self, error: Exception) -> UserError:
        return UserError(f"{self.text}: {' '.join(str(error).split())}")


def parse(text: str) -> Contender:
    """Read a contender. Raises UserError for a name that neither we nor Optuna know."""
    name, _, given = text.partition(":")
    if name not in plugins.names("controllers") and not _is_sampler(name):
        known = ", ".join(plugins.names("controllers"))
        raise UserError(f"no controller {name!r}: it is one of {known}, or a sampler of Optuna's")
    options = controller_options.pairs(pair for pair in given.split("+") if pair)
    return Contender(name, tuple(options.items()))


def _is_sampler(name: str) -> bool:
    found = getattr(optuna.samplers, name, None)
    return inspect.isclass(found) and "seed" in inspect.signature(found).parameters
