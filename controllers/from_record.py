"""The frame of our samplers: a proposal for all decisions at once, read off the record."""

import threading
from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.study import Study
from optuna.trial import FrozenTrial

from controllers.dominance import nondominated
from controllers.errors import ControllerError
from controllers.history import History, Reader
from controllers.plain_space import PlainSpace
from controllers.record import AGAIN, FIXED, asking, told
from controllers.seeds import derive

if TYPE_CHECKING:
    from controllers.protocols import Cost, Keyed, Space


@dataclass(frozen=True, slots=True)
class Again:
    """Asks for another training of an architecture that was told."""

    architecture: "Keyed"


class FromRecord(BaseSampler):
    """A sampler without a stream of its own: what it proposes follows from seed and record.

    Without a space it searches the decisions that all trials share, once there are some; until
    then, and for decisions that only some trials take, it draws uniformly.

    Args:
        name: how the sampler calls itself.
        space: what is searched, or None.
        cost: what is known before training, or None.
        seed: the seed of the search.
    """

    def __init__(self, name: str, space: "Space | None", cost: "Cost | None", seed: int) -> None:
        self._name, self._space, self._cost, self._seed = name, space, cost, seed
        self._reader = Reader()
        self._plain: PlainSpace | None = None
        self._alone = threading.RLock()  # threads of one study share the sampler

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: a lock has no other place, and what was read is read again."""
        return {k: v for k, v in vars(self).items() if k not in ("_reader", "_alone")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _reader=Reader(), _alone=threading.RLock())

    @abstractmethod
    def propose(self, history: History, rng: np.random.Generator) -> "Keyed | Again":
        """The next architecture to train; all chance comes from `rng`.

        The same history, one trial later or in another process, gives the same proposal.
        """

    def incumbent(self, study: Study) -> "Mapping[str, Any]":
        """The choices of the architecture to take, of those told of a study with one objective.

        `study.best_params` are those of the highest value shown, which of many noisy ones is the
        luckiest; a controller that learns what to expect may believe in another one.

        Raises:
            ControllerError: several objectives, or no completed trial with a finite value.
        """
        check_one_objective("the choice of one architecture", study)
        with self._alone:
            history = self._told(study)
            whole = {each.architecture.key for each in history.lessons if each.whole}
            ordered = sorted(self.best_first(history), key=lambda each: each.key not in whole)
            within = (each for each in ordered if history.violation(each) <= 0)
            return history.space.parameters(next(within, ordered[0]))

    def front(self, study: Study) -> "list[Mapping[str, Any]]":
        """The choices of the architectures to take, of those told of a study.

        None of them is believed to be beaten in all objectives by another one. `study.best_trials`
        are those by what was shown, in which the luckiest hide the better ones.

        Raises:
            ControllerError: no completed trial with finite values.
        """
        with self._alone:
            history = self._told(study)
            known = {each.architecture.key for each in history.lessons}
            whole = {each.architecture.key for each in history.lessons if each.whole}
            found = self.unbeaten(history, whole or known)
            return [history.space.parameters(each) for each in found]

    def _told(self, study: Study) -> History:
        """All that was told of a study. Raises ControllerError where that is nothing."""
        decisions = self._decisions(told(study))
        if not decisions:
            raise ControllerError("no trial was told yet, or no decision is common to all")
        space = self._searched(decisions)
        cost = self._cost if space is self._space else None
        history = self._reader.history(study, None, space, cost)
        if not history.lessons:
            raise ControllerError("no trial with finite values was told yet")
        return history

    def unbeaten(self, history: History, among: "Collection[str]") -> "list[Keyed]":
        """The architectures among these keys, of lessons, that none of them within bounds beats."""
        told = [each for each in history.lessons if each.architecture.key in among]
        lessons = [each for each in told if history.violation(each.architecture) <= 0] or told
        rows = np.flatnonzero(nondominated(np.array([lesson.values for lesson in lessons])))
        chosen = [lessons[row].architecture for row in rows]
        return list({each.key: each for each in chosen}.values())

    def best_first(self, history: History) -> "list[Keyed]":
        """The architectures of the lessons, of which there is one at least, in their order."""
        ordered = sorted(history.lessons, key=lambda lesson: -lesson.values[0])
        return [lesson.architecture for lesson in ordered]

    def __str__(self) -> str:
        return self._name

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        self.check(study)
        return self._decisions(told(study, asking(study, trial)))

    def _decisions(self, trials: list[FrozenTrial]) -> dict[str, BaseDistribution]:
        if self._space is not None:
            return dict(self._space.distributions())
        return intersection_search_space(trials)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self.check(study)
        if not search_space:
            return {}
        rng = np.random.default_rng(derive(self._seed, trial.number, "proposal"))
        with self._alone:
            space = self._searched(search_space)
            # A cost knows the architectures of its own space, not points of a part of it.
            cost = self._cost if space is self._space else None
            history = self._reader.history(study, asking(study, trial), space, cost)
            proposal = self.propose(history, rng)
        if isinstance(proposal, Again):
            proposal = proposal.architecture
            # Choices that a user fixed make another one of it, which nobody trained before.
            if FIXED not in trial.system_attrs:
                study._storage.set_trial_system_attr(trial._trial_id, AGAIN, True)
        return dict(space.parameters(proposal))

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        self.check(study)
        uniform = RandomSampler(seed=derive(self._seed, trial.number, "one", param_name))
        return uniform.sample_independent(study, trial, param_name, param_distribution)

    def check(self, study: Study) -> None:
        """Refuse a study that the controller cannot serve; any, by default, is served."""

    def _searched(self, search_space: dict[str, BaseDistribution]) -> "Space":
        """The space itself, or a plain one where a user fixed some of its decisions."""
        if self._space is not None and self._space.distributions().keys() == search_space.keys():
            return self._space
        plain = self._plain
        if plain is None or plain.distributions() != search_space:
            plain = self._plain = PlainSpace(search_space)
        return plain


def check_one_objective(name: str, study: Study) -> None:
    """Refuse a study with several objectives, naming the controllers that take them."""
    if len(study.directions) > 1:
        raise ControllerError(
            f"{name} learns from one objective and this study has {len(study.directions)}:"
            " use one, or choose another controller, such as surrogate"
        )
