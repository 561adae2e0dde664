"""From the rows of a study to the records of its trials, and the facts a row holds."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState

from nas import store
from nas.errors import UserError
from nas.measurement import HeldOut, Measurement
from nas.record import State, TrialRecord

if TYPE_CHECKING:
    from nas.run import Run
    from search_spaces.architecture import Architecture
    from search_spaces.space import SearchSpace

STATES: Mapping[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.FAIL: "failed",
    TrialState.PRUNED: "pruned",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
}


def read(run: "Run") -> list[TrialRecord]:
    """All trials of a run as its database has them now."""
    space = run.space()
    return [record(run, space, trial) for trial in store.read(run.storage_url, run.name)]


def record(run: "Run", space: "SearchSpace", trial: FrozenTrial) -> TrialRecord:
    """One trial with its held-out answers.

    Raises UserError if its file is missing or damaged, SpaceError if it was found in a space that
    is not the one installed.
    """
    architecture = recorded_architecture(space, trial.user_attrs)
    if architecture is None and (trial.params or trial.state != TrialState.FAIL):
        architecture = space.architecture(trial.params)  # else it was lost, and its place is kept
    return of(run, trial.number, trial.state, trial.user_attrs, architecture)


def of(
    run: "Run",
    number: int,
    state: TrialState,
    attributes: Mapping[str, Any],
    architecture: "Architecture | None",
) -> TrialRecord:
    """The record of a trial with these user attributes; raises what `record` does."""
    facts = attributes.get(store.FACTS, {})
    # What was stopped early was measured as far as it got.
    early = state == TrialState.PRUNED and facts.get("measurement")
    ended = state == TrialState.COMPLETE or early
    return TrialRecord(
        trial=number,
        state=STATES[state],
        architecture=architecture,
        measurement=measured(run, number, facts) if ended else None,
        reused_from=facts.get("reused_from"),
        error=facts.get("error"),
        reason=facts.get("reason"),
        continues=attributes.get(store.CONTINUES, {}).get("trial"),
    )


def measured(run: "Run", number: int, facts: Mapping[str, Any]) -> Measurement:
    """What a trial found out. Raises UserError if a part is missing or damaged."""
    reused_from = facts.get("reused_from")
    held_out = HeldOut.load(run.facts_path(number if reused_from is None else reused_from))
    try:
        return Measurement.from_facts(facts["measurement"] | _interval(facts), held_out)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"trial {number} of {run.path} is damaged: {error!r}") from None


def _interval(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Bounds as runs of before they were part of the measurement have them: among its estimates."""
    estimates = facts.get("latency")
    if not estimates or "exit_high_ms" in facts["measurement"]:
        return {}
    return {
        "exit_low_ms": [each["low_ms"] for each in estimates],
        "exit_high_ms": [each["high_ms"] for each in estimates],
        "how": estimates[-1]["how"],
    }


def recorded_architecture(
    space: "SearchSpace", attributes: Mapping[str, Any]
) -> "Architecture | None":
    """As it was recorded when the trial began or ended; None where its proposal says it all."""
    for name in (store.FACTS, store.STARTED):
        if "architecture" in (found := attributes.get(name, {})):
            return space.from_json(found["architecture"])
    return None


def architecture(space: "SearchSpace", trial: FrozenTrial) -> "Architecture":
    """The network of a trial that was begun or is finished. Raises SpaceError for a foreign one."""
    recorded = recorded_architecture(space, trial.user_attrs)
    return space.architecture(trial.params) if recorded is None else recorded


def facts(
    architecture: "Architecture",
    *,
    measured: Mapping[str, Any] | None = None,
    latency: list[dict[str, Any]] | None = None,
    losses: Sequence[float] = (),
    reused_from: int | None = None,
    error: str | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """What a finished trial's row says, ready for JSON.

    measured: what `Measurement.facts` gave. losses: of each epoch. reason: in a word, of
    `nas.faults`.
    """
    return {
        "architecture": architecture.to_json(),
        "key": architecture.key,
        "measurement": None if measured is None else dict(measured),
        "latency": latency,
        "losses": [_figure(loss) for loss in losses] or None,
        "reused_from": reused_from,
        "error": error,
        "reason": reason,
    }


def _figure(loss: float) -> float | None:
    """As much of a loss as anybody reads; what is no finite number has no place in JSON."""
    return float(f"{loss:.6g}") if math.isfinite(loss) else None
