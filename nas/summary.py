"""What a search found, in words: the front, what it rests on, and what to do next."""

from itertools import pairwise
from pathlib import Path
from shlex import quote
from statistics import median
from typing import TYPE_CHECKING, Any

from nas import frame
from nas.progress import spoken

if TYPE_CHECKING:
    from nas.record import TrialRecord
    from nas.run import Run

_HEAD = ("trial", "accuracy", "± s.e.", "latency ms", "reward", "parameters")
_MOST_FAILURES = 3
_DEFAULT_OUT = Path("results")


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
    return "\n".join([*lines, f"Everything is in {run.path}", *_time(records)])


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
    return [
        "Of neighbours in this table, the standard errors cannot tell apart the accuracies of "
        f"trials {', '.join(pairs)}."
    ]


def _failures(records: "list[TrialRecord]") -> list[str]:
    failed = [record for record in records if record.state == "failed"]
    lines = [f"  trial {record.trial} failed: {record.error}" for record in failed]
    more = len(lines) - _MOST_FAILURES
    return lines[:_MOST_FAILURES] + ([f"  and {more} more; see nas trials"] if more > 0 else [])


def _time(records: "list[TrialRecord]") -> list[str]:
    """How long the trainings took, of the trials that were trained here."""
    seconds = [r.measurement.seconds for r in records if r.measurement and r.reused_from is None]
    if not seconds:
        return []
    whole, middle = spoken(sum(seconds)), spoken(median(seconds))
    return [f"Training took {whole} over all trials, {middle} for the median trial"]


def _next(run: "Run") -> list[str]:
    out = _out(run)
    commands = {
        f"nas pareto {run.name}{out}": "every point with its exit policy",
        f"nas export {run.name}{out} -o best.yaml": "the best network as a config file",
        f"nas train {run.name}:best{out}": "train the best network in full",
        f"nas resume {run.name}{out} --trials +20": "search on",
    }
    width = max(map(len, commands))
    return ["Next:"] + [f"  {typed:{width}}  {does}" for typed, does in commands.items()]


def _out(run: "Run") -> str:
    """The --out under which the run is found now, which may have moved since its search."""
    folder = run.path.parent
    if folder == _DEFAULT_OUT.absolute():
        return ""
    searched = Path(run.settings.out)
    return f" --out {quote(str(searched if searched.absolute() == folder else folder))}"
