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
    facts = trial.user_attrs.get(store.FACTS, {})
    state = STATES[trial.state]
    reused_from = facts.get("reused_from")
    measurement = None
    if state == "complete":
        held_out = HeldOut.load(
            run.facts_path(trial.number if reused_from is None else reused_from)
        )
        try:
            measurement = Measurement.from_facts(facts["measurement"], held_out)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"trial {trial.number} of {run.path} is damaged: {error!r}") from None
    return TrialRecord(
        trial=trial.number,
        state=state,
        architecture=_architecture(space, trial, facts),
        measurement=measurement,
        reused_from=reused_from,
        error=facts.get("error"),
    )


def _architecture(
    space: "SearchSpace", trial: FrozenTrial, facts: Mapping[str, Any]
) -> "Architecture":
    """As it was recorded when the trial began or ended; else what its proposal says."""
    if "architecture" in facts:
        return space.from_json(facts["architecture"])
    if store.STARTED in trial.user_attrs:
        return space.from_json(trial.user_attrs[store.STARTED]["architecture"])
    return space.architecture(trial.params)


def facts(
    architecture: "Architecture",
    *,
    measurement: Measurement | None = None,
    latency: list[dict[str, Any]] | None = None,
    losses: Sequence[float] = (),
    reused_from: int | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    """What a finished trial's row says, ready for JSON. losses: of each epoch."""
    return {
        "architecture": architecture.to_json(),
        "key": architecture.key,
        "measurement": None if measurement is None else measurement.facts(),
        "latency": latency,
        "losses": [_figure(loss) for loss in losses] or None,
        "reused_from": reused_from,
        "error": error,
    }


def _figure(loss: float) -> float | None:
    """As much of a loss as anybody reads; what is no finite number has no place in JSON."""
    return float(f"{loss:.6g}") if math.isfinite(loss) else None
