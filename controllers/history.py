"""What a proposal may know: the architectures that were told, are under way, or were ever tried."""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from controllers.early_stopped import is_whole, taught
from controllers.protocols import violation
from controllers.record import ASKED_AFTER, FIXED, REPEATS, TOLD, known

if TYPE_CHECKING:
    from controllers.protocols import Cost, Keyed, Space


@dataclass(frozen=True, slots=True)
class Lesson:
    """A finished trial.

    `values`: one an objective, turned so that higher is better. `asked`: how many lessons had been
    told when it was proposed. `drawn`: a controller chose it, not a user who enqueued it.
    `whole`: trained to the end; of others the values are an estimate (`controllers.early_stopped`).
    """

    architecture: "Keyed"
    values: tuple[float, ...]
    asked: int = 0
    drawn: bool = True
    whole: bool = True


@dataclass(frozen=True, slots=True)
class History:
    """The record as one trial may know it.

    `number`: of the trial that asks. `signs`: 1 for an objective to maximise, -1 for one to
    minimise. `lessons`: those that teach something, in the order they were told. `pending`:
    proposed before this trial and not told yet. `tries`: how often each key was proposed before,
    failed ones too. `digests`: of the first 0, 1, 2... lessons, what tells them from all others.
    `repeats`: whether an architecture that was told may be proposed again, to be trained once more.
    In a study that carries `record.TOLD` nothing of it depends on when it is read.
    """

    space: "Space"
    number: int
    signs: tuple[float, ...]
    lessons: tuple[Lesson, ...]
    pending: tuple["Keyed", ...]
    tries: Mapping[str, int]
    digests: tuple[str, ...]
    cost: "Cost | None" = None
    repeats: bool = False

    def free(self, architecture: "Keyed") -> bool:
        """Whether it was never tried and lies within the hard bounds."""
        return architecture.key not in self.tries and self.violation(architecture) <= 0

    def violation(self, architecture: "Keyed") -> float:
        """How far beyond the hard bounds it lies; 0 without any."""
        return violation(self.cost, architecture)

    def failed(self) -> set[str]:
        """Keys of what was tried and will teach nothing: failed, never trained, infinite."""
        awaited = {architecture.key for architecture in self.pending}
        return set(self.tries) - awaited - {lesson.architecture.key for lesson in self.lessons}

    def stopped(self) -> set[str]:
        """Keys of what was trained, but never to the end."""
        whole = {lesson.architecture.key for lesson in self.lessons if lesson.whole}
        return {lesson.architecture.key for lesson in self.lessons} - whole


class Reader:
    """Reads histories, and remembers the architectures of the trials that it has read."""

    def __init__(self) -> None:
        # By identity: finished trials are never changed, and a reference keeps each one's alive.
        self._read: dict[int, tuple[FrozenTrial, Keyed]] = {}
        self._of: tuple[Space, str] | None = None

    def history(
        self, study: Study, asking: FrozenTrial | None, space: "Space", cost: "Cost | None" = None
    ) -> History:
        """The history of `study` up to what `asking` could know; the whole of it for None.

        Trials that do not have an option of every decision are left out: they were another
        search's.
        """
        text = self._text(space)
        signs = tuple(1.0 if d == StudyDirection.MAXIMIZE else -1.0 for d in study.directions)
        told = {trial.number: trial for trial in known(study, asking)}
        # Not by their places: the pruner of several brackets shows each bracket its own trials.
        trials = study.get_trials(deepcopy=False)
        number = asking.number if asking else 1 + max((t.number for t in trials), default=-1)
        found: dict[int, Keyed] = {}
        for trial in trials:
            architecture = self._architecture(trial, space) if trial.number < number else None
            if architecture is not None:
                found[trial.number] = architecture
        lessons = _lessons([trial for n, trial in told.items() if n in found], found, signs)
        return History(
            space=space,
            number=number,
            signs=signs,
            lessons=lessons,
            pending=tuple(each for n, each in found.items() if n not in told),
            tries=Counter(each.key for each in found.values()),
            digests=_digests(f"{text} {signs}", lessons),
            cost=cost,
            repeats=bool(study._storage.get_study_user_attrs(study._study_id).get(REPEATS)),
        )

    def _text(self, space: "Space") -> str:
        """The decisions in words; what was read for another space is forgotten."""
        if self._of is None or self._of[0] is not space:
            self._of = (space, repr(sorted(space.distributions().items())))
            self._read.clear()
        return self._of[1]

    def _architecture(self, trial: FrozenTrial, space: "Space") -> "Keyed | None":
        entry = self._read.get(id(trial))
        if entry is not None and entry[0] is trial:
            return entry[1]
        decisions = space.distributions()
        params = trial.params
        if not decisions.keys() <= params.keys():
            # What a user enqueued is known from the start, whenever its trial takes it over.
            params = {**trial.system_attrs.get(FIXED, {}), **params}
        if not fits(params, decisions):
            return None
        architecture = space.architecture({name: params[name] for name in decisions})
        if trial.state.is_finished():
            self._read[id(trial)] = (trial, architecture)
        return architecture


def fits(params: Mapping[str, Any], decisions: Mapping[str, BaseDistribution]) -> bool:
    """Whether there is a value of every decision, and one that the decision has."""
    try:
        return all(
            decision._contains(decision.to_internal_repr(params[name]))
            for name, decision in decisions.items()
        )
    except (KeyError, ValueError, TypeError):
        return False


def _lessons(
    told: list[FrozenTrial], architectures: Mapping[int, "Keyed"], signs: tuple[float, ...]
) -> tuple[Lesson, ...]:
    found = taught(told, signs)
    orders = [trial.system_attrs.get(TOLD, 0) for trial, _ in found]
    return tuple(
        Lesson(
            architectures[trial.number],
            values,
            # In a study without the attribute one trial at a time is told and asked.
            bisect_right(orders, trial.system_attrs[ASKED_AFTER])
            if ASKED_AFTER in trial.system_attrs
            else place,
            FIXED not in trial.system_attrs,
            is_whole(trial),
        )
        for place, (trial, values) in enumerate(found)
    )


def _digests(start: str, lessons: tuple[Lesson, ...]) -> tuple[str, ...]:
    seen = hashlib.sha256(start.encode())
    digests = [seen.hexdigest()]
    for each in lessons:
        fact = f"{each.architecture.key} {each.values} {each.asked} {each.drawn} {each.whole};"
        seen.update(fact.encode())
        digests.append(seen.hexdigest())
    return tuple(digests)
