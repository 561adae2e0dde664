"""A run as a table: the one source of `nas trials`, `nas pareto`, CSV, parquet and the dashboard.

Units are in the column names: `accuracy` is a fraction of the held-out images, `latency_ms` the
mean over images that leave early, both under the trial's exit policy; `macs` and `parameters`
are of the whole network, `expected_macs` of the policy; `seconds` is training time (of the first
training, where a measurement is reused). `latency_ms`, `p95_ms` and `worst_ms` are what the
objective weighs: with the risk "upper" the upper ends of intervals. `estimate_ms` is the estimate
itself and `low_ms` to `high_ms` its interval, of the same mean; `latency_is` says how it was found.
A trial that was stopped early is judged as far as it got, after so many `epochs`; one that
`continues` another took up its training. `reason` is a word of `nas.faults`.
Columns and their types are the same for an empty run.
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nas.exits import PolicyScore, policy_scores
from nas.measurement import Measurement
from nas.objective import DIRECTIONS, Objective
from nas.pareto import front
from nas.pareto import hypervolume as volume
from nas.record import TrialRecord
from nas.repetitions import settled

if TYPE_CHECKING:  # the command line must start without loading pandas
    import pandas as pd

COLUMNS = {
    "trial": "int64",
    "state": "string",
    "key": "string",
    "architecture": "string",  # JSON text
    "accuracy": "float64",
    "latency_ms": "float64",
    "reward": "float64",
    "macs": "Int64",
    "parameters": "Int64",
    "epochs": "Int64",
    "seconds": "float64",
    "error": "string",
    "reason": "string",
    "reused_from": "Int64",
    "continues": "Int64",
    "standard_error": "float64",
    "p95_ms": "float64",
    "worst_ms": "float64",
    "expected_macs": "float64",
    "estimate_ms": "float64",
    "low_ms": "float64",
    "high_ms": "float64",
    "latency_is": "string",
}
FRONT_COLUMNS = COLUMNS | {
    "policy": "string",  # JSON text: found, thresholds, shares
    "tied_with": "string",  # JSON text: rows of this front, from 0
}
_JSON_TEXT = ("architecture", "policy", "tied_with")
_CONFIDENT = 1.96  # standard errors of a difference: 95 % of a normal distribution
_BEYOND_WORST = 1.1  # the reference point lies a tenth beyond the worst seen


def trials(records: Iterable[TrialRecord], objective: Objective) -> "pd.DataFrame":
    """Make one row per trial, columns `COLUMNS`, under the policy `objective` gives it."""
    rows = []
    for record in records:
        measured = record.measurement  # also of trials that were stopped early: as far as they got
        rows.append(_row(record, objective.view(measured) if measured else None, objective))
    return _frame(rows, COLUMNS)


def pareto(records: Iterable[TrialRecord], objective: Objective) -> "pd.DataFrame":
    """Find the front over all (trial, policy) points: columns `FRONT_COLUMNS`, slowest last.

    A network stands on it once for every exit policy that no other point beats; each point is
    cross-fitted. Of a network that was trained more than once the middle training counts. The
    objective says which facts span the front. Accuracies are estimates, and `tied_with` lists the
    rows from which 1.96 standard errors of the difference (taken as if the images were drawn anew
    for each) cannot tell a row apart.
    """
    points = list(_points(records, objective))
    values = [objective.point(measured, seen, objective.plane) for _, measured, seen in points]
    kept = [points[i] for i in front(values, tuple(DIRECTIONS[f] for f in objective.plane))]
    kept.sort(key=lambda point: (point[2].latency_ms, point[2].accuracy, point[0].trial))
    ties = tied([seen for _, _, seen in kept])
    rows = [
        _row(record, seen, objective) | {"policy": _policy(seen), "tied_with": json.dumps(others)}
        for (record, _, seen), others in zip(kept, ties, strict=True)
    ]
    return _frame(rows, FRONT_COLUMNS)


def tied(scores: Iterable[PolicyScore]) -> list[list[int]]:
    """List for each score the others (from 0) that the standard errors cannot tell apart."""
    seen = list(scores)
    return [
        [j for j, other in enumerate(seen) if j != i and _cannot_tell(one, other)]
        for i, one in enumerate(seen)
    ]


def hypervolume(records: Iterable[TrialRecord], objective: Objective) -> float:
    """Return the volume that the front of `pareto` dominates.

    It never shrinks as networks are added, but where one trained again turns out to be worse.
    The reference point has accuracy 0 and a tenth more than the slowest network's last exit
    (milliseconds) and the largest network's parameters. 0.0 without a complete trial.
    """
    points = list(_points(records, objective))
    if not points:
        return 0.0
    worst = {
        "accuracy": 0.0,
        "latency_ms": _BEYOND_WORST
        * max(m.at(objective.risk).exit_latency_ms[-1] for _, m, _ in points),
        "parameters": _BEYOND_WORST * max(m.parameters for _, m, _ in points),
    }
    return volume(
        [objective.point(measured, seen, objective.plane) for _, measured, seen in points],
        tuple(DIRECTIONS[fact] for fact in objective.plane),
        [worst[fact] for fact in objective.plane],
    )


def rows(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return the rows for `--json`: strict JSON, where what is missing or not finite is null."""
    columns = {name: [_plain(name, value) for value in frame[name]] for name in frame.columns}
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _plain(column: str, value: Any) -> Any:
    import pandas as pd

    if pd.isna(value) or value in (math.inf, -math.inf):
        return None
    if column in _JSON_TEXT:
        return json.loads(value)
    return value.item() if hasattr(value, "item") else value


def _points(
    records: Iterable[TrialRecord], objective: Objective
) -> Iterator[tuple[TrialRecord, Measurement, PolicyScore]]:
    for record in settled(records):
        measured = _measured(record)
        # A reused measurement would only repeat the points of the trial that it comes from.
        if measured is not None and record.reused_from is None:
            for seen in policy_scores(measured.at(objective.risk)):
                yield record, measured, seen


def _measured(record: TrialRecord) -> Measurement | None:
    return record.measurement if record.state == "complete" else None


def _cannot_tell(one: PolicyScore, other: PolicyScore) -> bool:
    spread = math.hypot(one.standard_error, other.standard_error)
    return abs(one.accuracy - other.accuracy) <= _CONFIDENT * spread


def _policy(seen: PolicyScore) -> str:
    return json.dumps(
        {
            "found": seen.policy.found,
            "thresholds": list(seen.policy.thresholds),
            "shares": list(seen.shares),
        }
    )


def _row(record: TrialRecord, seen: PolicyScore | None, objective: Objective) -> dict[str, Any]:
    row: dict[str, Any] = {
        "trial": record.trial,
        "state": record.state,
        "reused_from": record.reused_from,
        "error": record.error,
        "reason": record.reason,
        "continues": record.continues,
    }
    if record.architecture is not None:
        row["key"] = record.architecture.key
        row["architecture"] = json.dumps(record.architecture.to_json())
    if record.measurement is not None:
        measured = record.measurement
        row["macs"], row["parameters"] = measured.exit_macs[-1], measured.parameters
        row["epochs"], row["seconds"] = measured.epochs, measured.seconds
        row["latency_is"] = measured.how
    if seen is not None:
        row |= {
            "accuracy": seen.accuracy,
            "latency_ms": seen.latency_ms,
            "standard_error": seen.standard_error,
            "p95_ms": seen.p95_ms,
            "worst_ms": seen.worst_ms,
            "expected_macs": seen.macs,
        }
        if objective.reward is not None:
            row["reward"] = objective.reward(seen.accuracy, seen.latency_ms)
        if record.measurement is not None:
            row |= _interval(record.measurement, seen)
    return row


def _interval(measured: Measurement, seen: PolicyScore) -> dict[str, float]:
    """The mean over the images that leave early, of the estimate and of both its ends."""
    known = {
        "estimate_ms": measured.exit_latency_ms,
        "low_ms": measured.exit_low_ms,
        "high_ms": measured.exit_high_ms,
    }
    return {
        name: sum(share * ms for share, ms in zip(seen.shares, exits, strict=True))
        for name, exits in known.items()
        if exits is not None
    }


def _frame(rows: list[dict[str, Any]], columns: dict[str, str]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        {
            name: pd.Series([row.get(name, _missing(dtype)) for row in rows], dtype=dtype)
            for name, dtype in columns.items()
        }
    )


def _missing(dtype: str) -> float | None:
    return math.nan if dtype == "float64" else None
