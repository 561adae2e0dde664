"""What a proposal may know: the architectures that were told, are under way, or were ever tried."""

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from controllers.protocols import Bounded
from controllers.record import FIXED, known

if TYPE_CHECKING:
    from controllers.protocols import Cost, Keyed, Space


@dataclass(frozen=True, slots=True)
class Lesson:
    """A finished trial. `values`: one an objective, turned so that higher is better."""

    architecture: "Keyed"
    values: tuple[float, ...]
    drawn: bool = True
    """Whether a sampler chose it, rather than a user who enqueued it."""


@dataclass(frozen=True, slots=True)
class History:
    """The record as one trial may know it.

    `lessons`: completed with finite values, in the order they were told. `pending`: proposed
    before this trial and not told yet. `tried`: keys of all that was proposed before, failed ones
    too. All three depend on the record alone, never on the moment at which it is read.
    """

    space: "Space"
    signs: tuple[float, ...]
    lessons: tuple[Lesson, ...]
    pending: tuple["Keyed", ...]
    tried: frozenset[str]
    cost: "Cost | None" = None

    def free(self, architecture: "Keyed") -> bool:
        """Whether it was never tried and lies within the hard bounds."""
        return architecture.key not in self.tried and self.violation(architecture) <= 0

    def violation(self, architecture: "Keyed") -> float:
        """How far beyond the hard bounds it lies; 0 without any."""
        cost: object = self.cost
        return cost.violation(architecture) if isinstance(cost, Bounded) else 0.0

    def digest(self, told: int) -> str:
        """What tells the first `told` lessons of this space from all others."""
        seen = hashlib.sha256(repr(id(self.space)).encode())
        for lesson in self.lessons[:told]:
            seen.update(f"{lesson.architecture.key} {lesson.values}".encode())
        return seen.hexdigest()

    def failed(self) -> set[str]:
        """Keys of what was tried and will teach nothing: failed, pruned, infinite."""
        awaited = {architecture.key for architecture in self.pending}
        return set(self.tried) - awaited - {lesson.architecture.key for lesson in self.lessons}


class Reader:
    """Reads histories, and remembers the architectures of the trials that it has read."""

    def __init__(self) -> None:
        # By identity: finished trials are never changed, and a reference keeps each one's alive.
        self._read: dict[int, tuple[FrozenTrial, Space, Keyed]] = {}

    def history(
        self, study: Study, asking: FrozenTrial, space: "Space", cost: "Cost | None" = None
    ) -> History:
        """The history of `study` up to what `asking` could know.

        Trials that lack one of the space's decisions are left out: they were another search's.
        """
        lessons, pending, tried = dict[int, Lesson](), [], []
        signs = tuple(1.0 if d == StudyDirection.MAXIMIZE else -1.0 for d in study.directions)
        earlier = study.get_trials(deepcopy=False)[: asking.number]
        told = {trial.number: order for order, trial in enumerate(known(study, asking))}
        for trial in earlier:
            architecture = self._architecture(trial, space)
            if architecture is None:
                continue
            tried.append(architecture.key)
            if trial.number not in told:
                pending.append(architecture)
            elif trial.state == TrialState.COMPLETE:
                values = _values(trial, signs)
                if all(map(math.isfinite, values)):
                    drawn = FIXED not in trial.system_attrs
                    lessons[told[trial.number]] = Lesson(architecture, values, drawn)
        ordered = tuple(lessons[order] for order in sorted(lessons))
        return History(space, signs, ordered, tuple(pending), frozenset(tried), cost)

    def _architecture(self, trial: FrozenTrial, space: "Space") -> "Keyed | None":
        entry = self._read.get(id(trial))
        if entry is not None and entry[0] is trial and entry[1] is space:
            return entry[2]
        # What a user enqueued is known from the start, whenever its trial takes it over.
        params: dict[str, Any] = {**trial.system_attrs.get(FIXED, {}), **trial.params}
        names = space.distributions()
        if not names.keys() <= params.keys():
            return None
        architecture = space.architecture({name: params[name] for name in names})
        if trial.state.is_finished():
            self._read[id(trial)] = (trial, space, architecture)
        return architecture


def _values(trial: FrozenTrial, signs: tuple[float, ...]) -> tuple[float, ...]:
    assert trial.values is not None, "a completed trial has values"
    return tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))
