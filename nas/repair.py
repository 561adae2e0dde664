"""A run whose files were damaged, made whole as far as they can still be read."""

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from nas import records, store
from nas.errors import UserError
from nas.run import Run, writing
from nas.store.errors import Damaged, OtherVersion
from nas.store.opening import kept
from nas.store.rebuilding import rebuild
from nas.store.salvage import Remains, remains
from nas.store.soundness import check_for_writing

if TYPE_CHECKING:
    from search_spaces.space import SearchSpace

LOST = "its record was lost when the database was damaged"
NO_ANSWERS = "its held-out answers were lost"
_HALF = re.compile(r"\..+\.[a-z0-9_]{8}")  # what a write that was killed leaves behind


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was found and done. damaged: where the old database is now, None if it was sound.

    recovered: trials with all that their search goes by; one whose end is unknown is trained again.
    lost: trials of which too little is left, now failed. unanswered: complete trials whose held-out
    answers are gone, now failed too. removed: temporary files.
    """

    damaged: Path | None
    recovered: tuple[int, ...]
    lost: tuple[int, ...]
    unanswered: tuple[int, ...]
    removed: tuple[Path, ...]


def repair(run: Run) -> Repaired:
    """Mends a run that nobody drives. Raises UserError where there is nothing to mend it with."""
    with run.driving(), writing(run.path):
        removed = _remove_halves(run.path)
        damaged, recovered, lost = None, tuple[int, ...](), tuple[int, ...]()
        file = store.sqlite_file(run.storage_url)
        if file is not None and not _is_sound(run, file):
            damaged, recovered, lost = _rebuilt(run, file)
        return Repaired(damaged, recovered, lost, _fail_unanswered(run), removed)


def _remove_halves(folder: Path) -> tuple[Path, ...]:
    found = [path for path in folder.rglob(".*") if _HALF.fullmatch(path.name) and path.is_file()]
    for path in found:
        path.unlink()
    return tuple(sorted(found))


def _is_sound(run: Run, file: Path) -> bool:
    try:
        check_for_writing(file)
        store.read(run.storage_url, run.name)
    except (Damaged, OtherVersion):
        return False
    return True


def _rebuilt(run: Run, file: Path) -> tuple[Path, tuple[int, ...], tuple[int, ...]]:
    found = remains(file)
    known = {number: _trial(run, number, left) for number, left in found.items()}
    recovered = tuple(sorted(number for number, trial in known.items() if trial is not None))
    if not recovered:
        raise UserError(f"{file}: no trial of it can be recovered; restore it from a copy")
    trials = [known.get(number) or _lost(number) for number in range(max(found) + 1)]
    kept_as = rebuild(file, run.name, run.objective().directions, trials)
    return kept_as, recovered, tuple(sorted(set(range(len(trials))) - set(recovered)))


def _lost(number: int) -> FrozenTrial:
    """A place for a trial that is gone, as the others are known by their numbers."""
    trial = create_trial(state=TrialState.FAIL, user_attrs={store.FACTS: {"error": LOST}})
    trial.number = number
    return trial


def _trial(run: Run, number: int, left: Remains) -> FrozenTrial | None:
    """The trial as it was; None where too little is left of it."""
    facts: Mapping[str, Any] = left.user.get(store.FACTS, {})
    state = left.state or _state(facts)
    try:
        assert facts or not state.is_finished()
        proposed = _proposed(run.space(), left)
        done = state == TrialState.COMPLETE
        values = _values(run, number, facts, left) if done else None
        trial = create_trial(
            state=state, values=values, user_attrs=left.user, system_attrs=left.system, **proposed
        )
    except (UserError, ValueError, KeyError, TypeError, AssertionError):
        return None
    trial.number = number
    trial.datetime_start = left.begun or trial.datetime_start
    trial.datetime_complete = left.ended
    return trial


def _state(facts: Mapping[str, Any]) -> TrialState:
    """As the facts of a trial tell it, where its own row is gone."""
    if not facts:
        return TrialState.RUNNING
    return TrialState.COMPLETE if facts.get("measurement") else TrialState.FAIL


def _proposed(space: "SearchSpace", left: Remains) -> dict[str, Any]:
    """Parameters and distributions: all that were proposed, else those of the network itself."""
    distributions = space.distributions()
    if left.parameters.keys() == distributions.keys():
        return {"params": left.parameters, "distributions": left.distributions}
    architecture = records.recorded_architecture(space, left.user)
    if architecture is None:
        raise ValueError("neither a proposal nor a network is left")
    return {"params": space.nearest(architecture), "distributions": dict(distributions)}


def _values(run: Run, number: int, facts: Mapping[str, Any], left: Remains) -> list[float]:
    objective = run.objective()
    if left.values.keys() == set(range(len(objective.directions))):
        return [left.values[place] for place in sorted(left.values)]
    return list(objective.values(records.measured(run, number, facts)))


def _fail_unanswered(run: Run) -> tuple[int, ...]:
    """Complete trials without their held-out answers would stop every view of the run."""
    found = []
    with closing(kept(run.storage_url, run.name, None, store.Backoff())) as study:
        for trial in study.trials():
            facts = trial.user_attrs.get(store.FACTS, {})
            if trial.state != TrialState.COMPLETE:
                continue
            try:
                records.measured(run, trial.number, facts)
            except UserError:
                left = {"measurement": None, "reused_from": None, "error": NO_ANSWERS}
                study.spoil(trial.number, {store.FACTS: facts | left})
                found.append(trial.number)
    return tuple(found)
