"""``nas runs``, ``status``, ``trials`` and ``pareto``: what a search has found."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nas.cli.output import cell, show_json, show_table, show_text
from nas.cli.values import RUNS, Hard, Json, Out, Run, TargetLatency, Weight

if TYPE_CHECKING:
    from nas.objective import Objective

FIGURES = ("accuracy", "latency_ms", "reward", "macs", "parameters")


def runs(out: Out = RUNS, as_json: Json = False) -> None:
    """List the runs; of one that cannot be read, why."""
    from nas.results import statuses

    found = statuses(out)
    if as_json:
        show_json(found)
        return
    columns = ["run", "space", "controller", "objective", "complete", "failed", "best reward"]
    rows = [_in_short(state) for state in found]
    if any(state["error"] for state in found):
        columns.append("error")
        rows = [(*row, state["error"]) for row, state in zip(rows, found, strict=True)]
    show_table(columns, rows)


def status(run: Run, out: Out = RUNS, as_json: Json = False) -> None:
    """Show how far a run is and the best it has found."""
    from nas.results import status as state_of
    from nas.run import open_run

    found = state_of(open_run(run, out))
    if as_json:
        show_json(found)
    else:
        _show_status(found)


def _show_status(found: dict[str, Any]) -> None:
    # Nobody trains what a driver left behind: the search takes it up when it is resumed.
    words = {} if found["state"] == "running" else {"running": "left unfinished"}
    counts = ", ".join(
        f"{count} {words.get(state, state)}" for state, count in found["trials"].items()
    )
    show_text(f"{found['run']}, {found['state']}")
    show_text(f"space {found['space']}, controller {found['controller']}")
    again = f", {found['trained_again']} trained again" if found["trained_again"] else ""
    show_text(f"trials: {counts}; {found['reused']} reused{again}")
    show_text(f"objective: {found['objective']}{_target(found)}")
    if (best := found["best"]) is not None:
        facts = ", ".join(
            f"{name} {cell(best[name])}" for name in FIGURES if best[name] is not None
        )
        show_text(f"best: trial {best['trial']}, {facts}")
    show_text(f"hypervolume: {cell(found['hypervolume'])}")


def trials(run: Run, out: Out = RUNS, as_json: Json = False) -> None:
    """Show every trial of a run."""
    from nas import frame
    from nas.results import trials as table
    from nas.run import open_run

    rows = frame.rows(table(open_run(run, out)))
    if as_json:
        show_json(rows)
        return
    columns = ("trial", "state", "key", *FIGURES, "epochs", "seconds", "reused_from", "error")
    show_table(columns, [[row[name] for name in columns] for row in rows])


def pareto(
    run: Run,
    target_latency: TargetLatency = None,
    w: Weight = None,
    hard: Hard = False,
    risk: Annotated[
        Literal["mean", "upper"] | None,
        typer.Option(
            help="Weigh the latency, or the upper end of its interval. Default: the search's."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it too: .svg, .png or .pdf.")
    ] = None,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Show the front, slowest last; another T, w or risk scores it anew without any training."""
    from nas import frame
    from nas.latency import front_latency
    from nas.quantities import latency_ms
    from nas.results import rescored
    from nas.run import open_run

    target_ms = None if target_latency is None else latency_ms(target_latency)
    opened = open_run(run, out)
    objective = rescored(opened.objective(), target_ms, w, hard, risk)
    rows = frame.rows(frame.pareto(opened.records(), objective))
    rows = front_latency.beside(opened, rows)
    if plot is not None:
        from nas.plot import front

        front(opened, objective, plot)
    if as_json:
        show_json(rows)
    else:
        _show_front(rows, objective)


def _show_front(rows: list[dict[str, Any]], objective: "Objective") -> None:
    """Print the rows of a front; ``like`` are those its standard error cannot tell apart."""
    again = ("measured_ms",) if any(row["measured_ms"] is not None for row in rows) else ()
    columns = ("trial", "key", *FIGURES, "standard_error", "p95_ms", "worst_ms", *again)
    body = [
        [place, *(row[name] for name in columns), _ranges(row["tied_with"]), _thresholds(row)]
        for place, row in enumerate(rows, start=1)
    ]
    show_table(("row", *columns, "like", "thresholds"), body)
    if not rows:
        show_text("\nno trial is complete yet")
    if again:
        show_text("\nmeasured_ms: after the search, all together; nothing is ranked by it")
    if objective.risk == "upper":
        show_text("\nlatency_ms, p95_ms and worst_ms are the upper ends of their intervals")
    if objective.reward is not None and rows:
        best = max(rows, key=lambda row: row["reward"])
        target = cell(objective.reward.target_ms)
        show_text(
            f"\nbest reward at T = {target} ms: trial {best['trial']}, {cell(best['reward'])}"
        )
        if len(best["policy"]["thresholds"]) > 1:
            show_text(
                "It is the best of all policies on the same images. nas status and RUN:best "
                "choose a network's\npolicy on one half of them and score it on the other: "
                "their best may be another."
            )


def _thresholds(row: dict[str, Any]) -> str:
    return " ".join(f"{threshold:.3f}" for threshold in row["policy"]["thresholds"])


def _ranges(rows: list[int]) -> str:
    """Rows counted from 0 as a reader counts them: 1-3,5."""
    spans: list[list[int]] = []
    for row in sorted(rows):
        if spans and row == spans[-1][1]:
            spans[-1][1] = row + 1
        else:
            spans.append([row + 1, row + 1])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans) or "-"


def _in_short(state: dict[str, Any]) -> tuple[object, ...]:
    if state["error"]:
        return (state["run"], *(None,) * 6)
    trials, best = state["trials"], state["best"]
    told = (state["run"], state["space"], state["controller"], state["objective"])
    return (*told, trials["complete"], trials["failed"], best and best["reward"])


def _target(state: dict[str, Any]) -> str:
    if state["target_ms"] is None:
        return ""
    return f", T = {cell(state['target_ms'])} ms, exponents {state['alpha']} and {state['beta']}"
