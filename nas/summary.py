"""What a search found, in words: the front, what it rests on, and what to do next."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nas import frame

if TYPE_CHECKING:
    from nas.record import TrialRecord
    from nas.run import Run

_HEAD = ("trial", "accuracy", "± s.e.", "latency ms", "reward", "parameters")
_MOST_FAILURES = 3


def text(run: "Run") -> str:
    """The summary of a run as lines of plain text; figures are those of `nas pareto`."""
    records = run.records()
    states = [record.state for record in records]
    reused = sum(record.reused_from is not None for record in records)
    parts = [f"{states.count('complete')} trials complete"]
    slow, failed = states.count("pruned"), states.count("failed")
    for count, what in ((reused, "reused"), (slow, "too slow to train"), (failed, "failed")):
        parts += [f"{count} {what}"] if count else []
    front = _front(run, records)
    lines = [f"{run.name}: {', '.join(parts)}", *_failures(records)]
    if front:
        latency = f"{run.latency['runtime']} on {run.latency['device']}"
        lines += ["", f"The front, one row a network ({latency}, target {run.target_ms:.4g} ms):"]
        lines += [*_table(front), *_ties(front), "", *_next(run)]
    return "\n".join([*lines, f"Everything is in {run.path}"])


def _front(run: "Run", records: "list[TrialRecord]") -> list[dict[str, Any]]:
    """The networks on the front, the slowest last, each at its point of the highest reward."""
    best: dict[int, dict[str, Any]] = {}
    points = frame.rows(frame.pareto(records, run.objective()))
    for number, point in enumerate(points):
        known = best.get(point["trial"])
        if known is None or point["reward"] > known["reward"]:
            best[point["trial"]] = point | {"row": number}
    return sorted(best.values(), key=lambda row: (row["latency_ms"], row["accuracy"]))


def _table(front: list[dict[str, Any]]) -> list[str]:
    body = [
        (
            str(row["trial"]),
            f"{row['accuracy']:.4f}",
            f"{row['standard_error']:.4f}",
            f"{row['latency_ms']:.4g}",
            f"{row['reward']:.4f}",
            f"{row['parameters']:,}",
        )
        for row in front
    ]
    widths = [max(len(row[i]) for row in (_HEAD, *body)) for i in range(len(_HEAD))]
    return [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in (_HEAD, *body)
    ]


def _ties(front: list[dict[str, Any]]) -> list[str]:
    """Which neighbours of the table the held-out images cannot tell apart."""
    pairs = [
        f"{one['trial']} and {other['trial']}"
        for one, other in pairwise(front)
        if other["row"] in one["tied_with"]
    ]
    if not pairs:
        return []
    return [f"The standard errors cannot tell apart the accuracies of trials {', '.join(pairs)}."]


def _failures(records: "list[TrialRecord]") -> list[str]:
    failed = [record for record in records if record.state == "failed"]
    lines = [f"  trial {record.trial} failed: {record.error}" for record in failed]
    more = len(lines) - _MOST_FAILURES
    return lines[:_MOST_FAILURES] + ([f"  and {more} more; see nas trials"] if more > 0 else [])


def _next(run: "Run") -> list[str]:
    out = "" if run.settings.out == "results" else f" --out {run.settings.out}"
    return [
        f"Next:  nas pareto {run.name}{out}            every point with its exit policy",
        f"       nas export {run.name}{out} -o best.yaml   the best network as a config file",
        f"       nas resume {run.name}{out} --trials +20   search on",
    ]
