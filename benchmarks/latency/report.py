"""The findings of one runtime as Markdown."""

from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.latency import verdicts
from benchmarks.latency.findings import KINDS, ExitErrors, Findings, pooled
from benchmarks.latency.plan import LARGE_MB, Cell
from benchmarks.latency.predictors import DIRECT, FULL
from benchmarks.latency.tables import aim_table, apart, conditions, scored
from benchmarks.latency.verdicts import Aim
from benchmarks.units import Facts

ALL = ("fit", "kernels", *KINDS)
MOVING = ("pool", "concat", "add", "shuffle", "resize")


def written(found: Findings) -> str:
    """Return the whole report."""
    exits = found.exits()
    sections = [
        _header(found),
        "## Aims\n\n" + _aims(found, exits),
        "## All cells together\n\n" + _together(found),
        *(_cell(found, cell) for cell in found.cells),
        "## Two campaigns of the same networks\n\n" + _repeated(found),
        "## Networks unlike those learnt from\n\n" + _extrapolated(found),
        "## What a million MACs and a megabyte cost\n\n" + _operators(found),
        "## How well MACs rank networks\n\n" + _families(found),
        *(["## Early exits\n\n" + _exits(found, exits)] if exits else []),
        "## What it costs\n\n" + _costs(found),
    ]
    return "\n\n".join(sections) + "\n"


def _header(found: Findings) -> str:
    plan = found.plan
    facts = found.facts[f"fit-{found.cells[0].name}"]
    conditions, protocol = facts["conditions"], facts["protocol"]
    host = conditions.get("host", {})
    caches = ", ".join(f"{name} {size}" for name, size in (host.get("caches") or {}).items())
    names = ",".join(cell.name for cell in found.cells)
    rest = {name: each for name, each in conditions.items() if name != "host"}
    return "\n".join(
        (
            f"# Latency models: {plan.runtime}",
            "",
            f"`python -m benchmarks.latency_model --runtime {plan.runtime} --cells {names}"
            f" --networks {plan.networks} --samples {plan.samples} --seed {plan.seed}"
            f"{' --short`: too little was measured for any claim.' if plan.rounds else '`'}",
            "",
            f"Device: {host.get('cpu')}, {host.get('cores')} cores ({caches}), kernel"
            f" {host.get('kernel')}, Python {host.get('python')}; "
            + ", ".join(f"{name} {each}" for name, each in rest.items())
            + ".",
            "",
            f"Protocol: {protocol['rounds']} to {protocol['most_rounds']} rounds, up to"
            f" {protocol['warm_up']} untimed and {protocol['repeats']} timed passes a visit;"
            f" copies of everything that rounds take turns with: {protocol['copies']};"
            f" {protocol['statistic']}.",
            "",
            "A cell is a search space and an image size. Its model learns from"
            f" {plan.samples} random networks and the blocks of {plan.more} more; then the blocks"
            " of the fresh networks that it lacks are measured in a campaign of their own. Truth"
            " is a later campaign in a new process, at least"
            f" {plan.apart_s / 60:.0f} minutes after the fit and the re-measurement of the cell."
            " Nothing that needs privileges (real-time priority, pinned clocks) is used. An error"
            " below the noise (half of the rounds against the other half) is no claim.",
        )
    )


def _aims(found: Findings, exits: Sequence[ExitErrors]) -> str:
    facts = found.facts
    every = np.array([each for row in exits for each in row.exits])
    expected = [abs(row.expected) for row in exits]
    rest = [
        *verdicts.repeatability(*found.repeated(found.cells)),
        *verdicts.early_exits(
            float(np.nanmean(np.abs(every))) if exits else None,
            float(np.mean(expected)) if exits else None,
        ),
        *verdicts.cost(
            [_bring_up_s(facts[f"fit-{cell.name}"]) for cell in found.cells],
            [each["per_second"] for name, each in facts.items() if name.startswith("speed-")],
        ),
    ]
    return "\n\n".join(
        (
            "As measured, drift of the device between campaigns included:",
            aim_table([*_errors(found, same_speed=False), *rest]),
            "What was said, and what was measured again, brought to the speed of the later campaign"
            " by the canary:",
            aim_table(_errors(found, same_speed=True)),
        )
    )


def _errors(found: Findings, same_speed: bool) -> list[Aim]:
    """Return the aims for errors."""
    scores = found.scores(found.cells, same_speed)
    images, halves, large = (
        {name: each.errors for name, each in pooled(pairs, same_speed).items() if name != "all"}
        for pairs in (found.larger_images(), found.larger_half(), found.large_networks())
    )
    protocol, _ = found.repeated(found.cells)
    return [
        *verdicts.accuracy(
            found.plan.runtime, scores[FULL].errors, scores[DIRECT].errors, protocol
        ),
        *verdicts.extrapolation(images | halves, large),
    ]


def _bring_up_s(fit: Facts) -> float:
    return float(fit["drawing_s"] + fit["fit_s"])


def _together(found: Findings) -> str:
    return "\n\n".join(
        (
            scored("as measured", found.scores(found.cells)),
            "Brought to the speed of the later campaign by the canary, where it was there:",
            scored("at the same speed", found.scores(found.cells, same_speed=True)),
            conditions(found.facts, [f"{k}-{cell.name}" for k in ALL for cell in found.cells]),
        )
    )


def _cell(found: Findings, cell: Cell) -> str:
    name = cell.name
    return "\n\n".join(
        (
            f"## {name}",
            scored("as measured", found.scores([cell])),
            scored("at the same speed", found.scores([cell], same_speed=True)),
            conditions(found.facts, [f"{kind}-{name}" for kind in ALL]),
        )
    )


def _repeated(found: Findings) -> str:
    head = (
        "| cell | protocol: shift % | median % | p90 % | sequential: shift % | median % | p90 % |"
        " ratio of medians, p90 |"
    )
    rows = []
    cells = [(cell.name, [cell]) for cell in found.cells]
    for name, some in [*cells, *([("all", list(found.cells))] if len(cells) > 1 else [])]:
        one, other = found.repeated(some)
        ratios = f"{other.median / one.median:.1f}, {other.p90 / one.p90:.1f}"
        rows.append(f"| {name} | {apart(one)} | {apart(other)} | {ratios} |")
    return "\n\n".join(
        (
            "The same networks, first beside the fit, then as truth. Shift: median log ratio of a"
            " cell (the largest, for all); median and p90: what is left of each network.",
            "\n".join((head, "|---|---|---|---|---|---|---|---|", *rows)),
            conditions(
                found.facts, [f"{kind}-{cell.name}" for kind in KINDS for cell in found.cells]
            ),
        )
    )


def _extrapolated(found: Findings) -> str:
    kinds = {
        "larger images": found.larger_images(),
        "more MACs": found.larger_half(),
        "large networks": found.large_networks(),
    }
    tables = [
        scored(f"{kind}, {'at the same speed' if same else 'as measured'}", pooled(pairs, same))
        for kind, pairs in kinds.items()
        if pairs
        for same in (False, True)
    ]
    large = [f"{kind}-{cell.name}" for kind in ("fit", "truth") for cell in found.large]
    return "\n\n".join(
        (
            "Larger images: blocks measured at the larger size, how they add up learnt at the"
            " smaller one. More MACs: how blocks add up learnt from the smaller half of the fresh"
            " networks, tested on the larger half. Large networks: weights of"
            f" {LARGE_MB[0]:g} to {LARGE_MB[1]:g} MB, learnt from {found.plan.large[0]}.",
            *tables,
            conditions(found.facts, large),
        )
    )


def _operators(found: Findings) -> str:
    rows = found.facts["operators"]["rows"]
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    lines = []
    for kind in kinds:
        per, unit = ("megabytes", "MB") if kind in MOVING else ("million_macs", "million MACs")
        costs = [row["ms"] / row[per] for row in rows if row["kind"] == kind]
        lines.append(
            f"| {kind} | {len(costs)} | {np.median(costs):.4g} | {min(costs):.4g}"
            f" | {max(costs):.4g} | ms a {unit} |"
        )
    head = ("| operator | measured | median | least | most | |", "|---|---|---|---|---|---|")
    return "\n\n".join(
        (
            "Single operators of 16 to 256 channels on 8 to 32 pixels a side, without the cost of"
            " calling the runtime, in the layout that it keeps between blocks; megabytes are those"
            " read and written.",
            "\n".join((*head, *lines)),
            conditions(found.facts, ["operators"]),
        )
    )


def _families(found: Findings) -> str:
    names = [name for name in found.facts if name.startswith("family-")]
    rows = [
        f"| {name.removeprefix('family-')} | {len(found.facts[name]['ms'])}"
        f" | {found.facts[name]['spearman']:.3f} | {min(found.facts[name]['ms']):.3g}"
        f" to {max(found.facts[name]['ms']):.3g} |"
        for name in names
    ]
    head = ("| space and size | networks | Spearman of MACs with ms | ms |", "|---|---|---|---|")
    return "\n".join((*head, *rows)) + "\n\n" + conditions(found.facts, names)


def _exits(found: Findings, rows: Sequence[ExitErrors]) -> str:
    def percents(values: Iterable[float]) -> str:
        return " ".join(f"{100 * each:+.1f}" for each in values)

    names = [name for name in found.facts if name.startswith("exits-")]
    units = [found.facts[name] for name in names]
    lines = [
        f"| {row.key} | {percents(row.exits)} | {percents([row.expected])}"
        f" | {percents(row.fixed)} | {100 * row.noise:.1f} |"
        for row in rows
    ]
    return "\n\n".join(
        (
            "What the model says over what was measured with exits in mixed order, in %, and what"
            " loops of one exit say. The canary took "
            + ", ".join(f"{each['canary_ms'] / each['model_canary_ms']:.3f}" for each in units)
            + " times as long as when the model was fitted.",
            "\n".join(
                (
                    "| network | exits | expected latency | loops of one exit | noise |",
                    "|---|---|---|---|---|",
                    *lines,
                )
            ),
            conditions(found.facts, names),
        )
    )


def _costs(found: Findings) -> str:
    rows = []
    for cell in (*found.cells, *found.large):
        fit = found.facts[f"fit-{cell.name}"]
        speed = found.facts.get(f"speed-{cell.name}")
        rows.append(
            f"| {cell.name} | {fit['drawing_s']:.0f} | {fit['fit_s']:.0f} | {fit['blocks']}"
            f" | {fit['extend_s']:.0f} | {fit['missing']}"
            f" | {'-' if speed is None else format(speed['per_second'], ',.0f')} |"
        )
    head = (
        "| cell | drawing networks s | fit s | blocks | fresh blocks s | how many |"
        " estimates a second |",
        "|---|---|---|---|---|---|---|",
    )
    return "\n".join((*head, *rows))
