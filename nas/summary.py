"""What a search found, in words: the front, what it rests on, and what to do next."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from shlex import quote
from statistics import median
from typing import TYPE_CHECKING, Any

from nas import frame, live
from nas.latency import front_latency, search_model
from nas.progress import spoken
from nas.repetitions import repeated

if TYPE_CHECKING:
    from nas.record import TrialRecord
    from nas.run import Run

_HEAD = ("trial", "accuracy", "± s.e.", "latency ms", "reward", "parameters")
_WAYS = {  # of `latency_is`
    "table": "from the model's table",
    "extrapolated": "from the model with guessed blocks",
    "measured": "measured before training",
}
_MOST_FAILURES = 3
_DEFAULT_OUT = Path("results")


def text(run: "Run") -> str:
    """The summary of a run as lines of plain text; figures are those of `nas pareto`."""
    records = run.records()
    states = [record.state for record in records]
    reused = sum(record.reused_from is not None for record in records)
    parts = [f"{states.count('complete')} trials complete"]
    beyond = sum(record.is_declined for record in records)
    early, failed = sum(record.is_stopped for record in records), states.count("failed")
    counts = {"stopped early": early, "reused": reused, "trained again": repeated(records)}
    counts |= {"beyond a limit": beyond}
    for what, count in (counts | {"failed": failed}).items():
        parts += [f"{count} {what}"] if count else []
    front = _front(run, records)
    lines = [f"{run.name}: {', '.join(parts)}", *_ended(run), *_failures(records)]
    if front:
        latency = f"{run.latency['runtime']} on {run.latency['device']}"
        lines += ["", f"The front, one row a network ({latency}, target {run.target_ms:.4g} ms):"]
        lines += [*_table(front), *_latencies(run, front), *_ties(front), "", *_next(run)]
    return "\n".join([*lines, f"Everything is in {run.path}", *_time(records)])


def _front(run: "Run", records: "list[TrialRecord]") -> list[dict[str, Any]]:
    """The networks on the front, the slowest last, each at its point of the highest reward."""
    best: dict[int, dict[str, Any]] = {}
    points = front_latency.beside(run, frame.rows(frame.pareto(records, run.objective())))
    for number, point in enumerate(points):
        known = best.get(point["trial"])
        if known is None or point["reward"] > known["reward"]:
            best[point["trial"]] = point | {"row": number}
    return sorted(best.values(), key=lambda row: (row["latency_ms"], row["accuracy"]))


def _table(front: list[dict[str, Any]]) -> list[str]:
    again = any(row["measured_ms"] is not None for row in front)
    head = (*_HEAD, *(("measured ms",) if again else ()))
    body = [
        (
            str(row["trial"]),
            f"{row['accuracy']:.4f}",
            f"{row['standard_error']:.4f}",
            f"{row['latency_ms']:.4g}",
            f"{row['reward']:.4f}",
            f"{row['parameters']:,}",
            *((_figure(row["measured_ms"]),) if again else ()),
        )
        for row in front
    ]
    widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
    return [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in (head, *body)
    ]


def _figure(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.4g}"


def _latencies(run: "Run", front: list[dict[str, Any]]) -> list[str]:
    """Which latency is which, and how far the model is off, where a model predicted them."""
    lines = []
    if run.settings.risk == "upper":
        lines.append("Latency is the upper end of its interval (risk upper).")
    if not (run.path / search_model.FILE).exists():
        return lines
    ways = Counter(row["latency_is"] for row in front)
    said = ", ".join(f"{count} {_WAYS.get(how, how)}" for how, count in ways.items())
    lines.append(f"Latency is what the search went by: {said}.")
    known = front_latency.read(run.path)
    if known is None:
        return [*lines, "The front was not measured after the search; nas resume does it."]
    error = known.error()
    by = ", ".join(
        f"{each['n']} {_WAYS.get(how, how)} {each['median']:.1%}"
        for how, each in error["by"].items()
    )
    return [
        *lines,
        "Measured is what all of them took after the search; the front stays that of the search.",
        "Error on the front of what the search went by: median {median:.1%}, worst {worst:.1%} "
        "(noise {noise:.1%}), {n} networks: ".format(**error)
        + f"{by}.",
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


def _ended(run: "Run") -> list[str]:
    """Why the search ended, where not all trials that were asked for have."""
    moment = live.read(run.path)
    why = moment.why if moment is not None else ""
    return [] if why in ("", live.DONE) else [f"  it ended because: {why}"]


def _failures(records: "list[TrialRecord]") -> list[str]:
    failed = [record for record in records if record.state == "failed"]
    lines = [f"  trial {record.trial} failed: {record.error}" for record in failed]
    more = len(lines) - _MOST_FAILURES
    return lines[:_MOST_FAILURES] + ([f"  and {more} more; see nas trials"] if more > 0 else [])


def _time(records: "list[TrialRecord]") -> list[str]:
    """How long the trainings took, of the trials that were trained here."""
    taken_up = {record.continues for record in records}  # whose seconds are in the later ones
    seconds = [
        r.measurement.seconds
        for r in records
        if r.measurement and r.reused_from is None and r.trial not in taken_up
    ]
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
