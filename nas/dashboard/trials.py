"""A trial as the page has it: a small JSON value, so that thousands of them load at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from optuna.trial import TrialState

from nas import records, store
from nas.dashboard import points
from nas.dashboard.rows import Row
from nas.record import TrialRecord
from nas.repetitions import quality
from nas.run import Run
from search_spaces.architecture import Decision, Option
from search_spaces.space import SearchSpace


class Trials:
    """Turns rows of one run into values. names: of published networks, by key."""

    def __init__(self, run: Run, space: SearchSpace, names: Mapping[str, str]) -> None:
        self._run, self._space, self._names = run, space, names
        self.held_out: int | None = None  # images that judge the networks, once one is known

    def value(self, row: Row) -> dict[str, Any]:
        """The trial of a row. Facts that are missing or damaged become its `error`."""
        try:
            return self._value(row)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            return self._damaged(row, error)

    def _damaged(self, row: Row, error: Exception) -> dict[str, Any]:
        bare = self._value(Row(row.number, TrialState.RUNNING, row.begun, row.ended, {}))
        why = f"trial {row.number} of {self._run.path} is damaged: {error!r}"
        return bare | {"state": records.STATES[row.state], "error": why}

    def _value(self, row: Row) -> dict[str, Any]:
        recorded = row.attributes
        facts, started = (recorded.get(name, {}) for name in (store.FACTS, store.STARTED))
        measured = facts.get("measurement") or {}
        architecture = facts.get("architecture") or started.get("architecture") or {}
        key = facts.get("key")
        declined = row.state == TrialState.PRUNED and not measured
        value: dict[str, Any] = {
            "n": row.number,
            "state": records.STATES[row.state],
            "key": key,
            "c": self._choices(architecture.get("decisions", {})),
            "macs": (measured.get("exit_macs") or [None])[-1],
            "params": measured.get("parameters"),
            "epochs": measured.get("epochs"),
            "s": measured.get("seconds"),
            "reused": facts.get("reused_from"),
            "counted": not declined and store.CONTINUES not in recorded,
            "error": facts.get("error"),
            "begun": _seconds(row.begun),
            "ended": _seconds(row.ended),
            "losses": facts.get("losses") or None,
            "name": self._names.get(key or ""),
            "p": [],
            "right": None,
        }
        value |= _latency(measured.get("exit_latency_ms"), facts.get("latency"))
        if row.state == TrialState.COMPLETE and value["reused"] is None:
            try:
                value |= self._judged(row.number, facts, value)
            except ValueError as error:  # also of answers that are too few to judge by
                value["error"] = str(error)
        return value

    def record(self, row: Row) -> TrialRecord:
        """The record of a row. Raises UserError or SpaceError as `records.record` does."""
        recorded = row.attributes
        architecture = records.recorded_architecture(self._space, recorded)
        return records.of(self._run, row.number, row.state, recorded, architecture)

    def _judged(
        self, number: int, facts: Mapping[str, Any], value: Mapping[str, Any]
    ) -> dict[str, Any]:
        measurement = records.measured(self._run, number, facts)
        self.held_out = measurement.held_out.images
        weighed = measurement.at(self._run.settings.risk)
        return {
            "p": points.of(weighed, value["low_ms"], value["high_ms"]),
            "right": quality(measurement),
        }

    def _choices(self, chosen: Mapping[str, Any]) -> list[Any]:
        """One value per decision: the number of the option, None, or what lies beyond them."""
        found: list[Any] = []
        for decision in self._space.decisions:
            if decision.name not in chosen:
                found.append(None)
                continue
            value = chosen[decision.name]
            found.append(_place(decision, value))
        return found


def _place(decision: Decision, value: Option) -> Any:
    for at, option in enumerate(decision.options):
        if option == value and isinstance(option, bool) == isinstance(value, bool):
            return at
    return {"v": value}


def _latency(
    exit_ms: Sequence[float] | None, estimates: Sequence[Mapping[str, Any]] | None
) -> dict[str, Any]:
    """Milliseconds of each exit, their intervals where there are any, and how they were found."""
    value: dict[str, Any] = {"exit_ms": exit_ms, "how": None, "low_ms": None, "high_ms": None}
    if not estimates:
        return value
    value["how"] = estimates[-1].get("how")
    if any(each["low_ms"] < each["high_ms"] for each in estimates):
        value |= {bound: [each[bound] for each in estimates] for bound in ("low_ms", "high_ms")}
    return value


def _seconds(moment: datetime | None) -> float | None:
    """Optuna writes the local time of the driver, without a zone."""
    return None if moment is None else moment.timestamp()
