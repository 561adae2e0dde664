"""Tables of the report, as Markdown."""

from collections.abc import Mapping, Sequence

from benchmarks.latency.scores import Apart, Score
from benchmarks.latency.verdicts import Aim
from benchmarks.units import Facts

SCORED = (
    "| {} | n | mean error % | within 5 % | within 10 % | Spearman | Kendall |"
    " 90 % intervals hold |"
)


def scored(title: str, scores: Mapping[str, Score]) -> str:
    """Return the scores of predictors by their names."""
    rows = []
    for name, each in scores.items():
        e = each.errors
        held = f"{100 * e.coverage_90:.1f}" if each.intervals and e.coverage_90 is not None else "-"
        ranks = " | ".join("-" if r is None else f"{r:.4f}" for r in (e.spearman, e.kendall))
        rows.append(
            f"| {name} | {e.n} | {100 * e.mape:.2f} | {100 * e.within_5:.1f}"
            f" | {100 * e.within_10:.1f} | {ranks} | {held} |"
        )
    return "\n".join((SCORED.format(title), "|---|---|---|---|---|---|---|---|", *rows))


def aim_table(aims: Sequence[Aim]) -> str:
    """Return each aim with what was found and the verdict."""
    rows = [
        f"| {aim.said} | {aim.text(aim.found)} | {_bounds(aim)} | {aim.verdict()} |" for aim in aims
    ]
    return "\n".join(("| aim | found | bound | |", "|---|---|---|---|", *rows))


def _bounds(aim: Aim) -> str:
    return " to ".join(aim.text(each) for each in (aim.least, aim.most) if each is not None)


def apart(each: Apart) -> str:
    """Return shift, median and p90 in percent, as cells."""
    return f"{100 * each.shift:+.2f} | {100 * each.median:.2f} | {100 * each.p90:.2f}"


def conditions(facts: Mapping[str, Facts], names: Sequence[str]) -> str:
    """Return how the device was while each of these units ran."""
    head = (
        "| campaign | load before | after | canary ms | restlessness | noise % | seconds |",
        "|---|---|---|---|---|---|---|",
    )
    rows = [_condition(name, facts[name]) for name in names if name in facts]
    return "\n".join((*head, *rows))


def _condition(name: str, facts: Facts) -> str:
    loads = [
        " ".join(f"{each:.1f}" for each in facts[f"load_{when}"]) for when in ("before", "after")
    ]
    canary, restless = (
        "-" if facts[each] is None else f"{facts[each]:.4f}"
        for each in ("canary_ms", "restlessness")
    )
    return (
        f"| {name} | {loads[0]} | {loads[1]} | {canary} | {restless}"
        f" | {100 * facts['campaign_noise']:.2f} | {facts['seconds']:.0f} |"
    )
