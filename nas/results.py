"""What came of a run, for the command line and Python alike: views over its recorded facts."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import frame, live
from nas.errors import UserError
from nas.latency import front_latency
from nas.objective import Objective
from nas.record import State, TrialRecord
from nas.repetitions import is_training, repeated, settled
from nas.rewards import SOFT_W, Reward, Risk
from nas.run import SETTINGS, Run, open_run
from search_spaces.errors import SpaceError

if TYPE_CHECKING:
    import pandas as pd

STATES: tuple[State, ...] = ("complete", "pruned", "failed", "running")


def trials(run: Run) -> "pd.DataFrame":
    """One row per trial; columns and units are those of ``nas.frame``."""
    return frame.trials(run.records(), run.objective())


def rescored(
    objective: Objective,
    target_ms: float | None,
    w: float | None,
    hard: bool,
    risk: Risk | None = None,
) -> Objective:
    """The objective with another reward or risk; what is None stays as the search had it.

    Raises UserError for ``w`` beside ``hard``, for an exponent above zero, and where neither the
    search nor the caller has a target latency (milliseconds).
    """
    if hard and w is not None:
        raise UserError("--w and --hard exclude each other")
    if risk is not None:
        objective = replace(objective, risk=risk)
    if target_ms is None and w is None and not hard:
        return objective
    known = objective.reward
    if target_ms is None:
        if known is None:
            raise UserError(
                "this run has no target latency to weigh against: give --target-latency"
            )
        target_ms = known.target_ms
    if hard:
        reward = Reward.hard(target_ms)
    elif w is not None:
        reward = Reward.soft(target_ms, w)
    else:
        reward = replace(known, target_ms=target_ms) if known else Reward.soft(target_ms, SOFT_W)
    return replace(objective, reward=reward)


def best(run: Run) -> TrialRecord | None:
    """The complete trial of the highest reward, or of the highest accuracy where there is none.

    Of a network that was trained more than once its middle training counts.
    """
    return _best(run.records(), run.objective())


def _best(records: Iterable[TrialRecord], objective: Objective) -> TrialRecord | None:
    done = [(r, r.measurement) for r in settled(records) if r.measurement and is_training(r)]
    if not done:
        return None
    return max(done, key=lambda found: (*objective.merit(found[1]), -found[0].trial))[0]


def record(run: Run, trial: str) -> TrialRecord:
    """The trial of that number, or the ``best``.

    Raises UserError where the run has no such trial.
    """
    if trial == "best":
        if (found := best(run)) is None:
            raise UserError(f"run {run.name!r} has no complete trial yet")
        return found
    records = {str(known.trial): known for known in run.records()}
    if trial not in records:
        last = f"0 to {len(records) - 1}, or 'best'" if records else "none yet"
        raise UserError(f"run {run.name!r} has no trial {trial!r}; its trials are {last}")
    return records[trial]


def status(run: Run) -> dict[str, Any]:
    """Where a run stands now, as JSON values; ``best`` is its row of the trials, or None."""
    records, objective = run.records(), run.objective()
    states: Counter[str] = Counter(known.state for known in records)
    found, reward, front = _best(records, objective), objective.reward, front_latency.read(run.path)
    row = None if found is None else frame.rows(frame.trials([found], objective))[0]
    alive = live.driven(live.read(run.path), time.time())
    ended = sum(known.is_counted and known.state != "running" for known in records)
    return {
        "run": run.name,
        "state": live.run_state(alive, len(records), ended, run.settings.trials),
        "space": run.settings.space,
        "controller": run.settings.controller,
        "objective": str(objective),
        "target_ms": reward and reward.target_ms,
        "w": reward.alpha if reward and reward.alpha == reward.beta else None,
        "alpha": reward and reward.alpha,
        "beta": reward and reward.beta,
        "trials": {state: states[state] for state in STATES},
        "stopped_early": sum(known.is_stopped for known in records),
        "reused": sum(known.reused_from is not None for known in records),
        "trained_again": repeated(records),
        "best": row,
        "hypervolume": frame.hypervolume(records, objective),
        "risk": objective.risk,
        "latency_is": _found_how(records),
        "front_error": front and front.error(),
    }


def _found_how(records: Iterable[TrialRecord]) -> dict[str, int]:
    """How many networks have a latency that was found in which way."""
    own = (each for each in records if each.reused_from is None)
    return dict(
        Counter(each.measurement.how for each in own if each.measurement and each.measurement.how)
    )


def statuses(out: Path) -> list[dict[str, Any]]:
    """The status of every run under a folder, by name, with its ``error``.

    Of a run that cannot be read there are only ``run`` and ``error``, which says why.
    """
    return [_status_or_error(found.parent, out) for found in sorted(out.glob(f"*/{SETTINGS}"))]


def _status_or_error(folder: Path, out: Path) -> dict[str, Any]:
    try:
        return status(open_run(folder.absolute(), out)) | {"error": None}
    except (UserError, SpaceError) as error:
        return {"run": folder.name, "error": str(error)}
