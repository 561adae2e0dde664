"""``nas evaluate``: the accuracy of a trained network's exits and policies against their cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nas.cli.output import cell, say, show_json, show_table, show_text
from nas.cli.values import RUNS, Device, Force, Json, Out, RayAddress, Runtime, Weights
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.evaluation import Evaluation
    from nas.evaluation.facts import PolicyFacts, Unit

Arch = Annotated[
    str,
    typer.Argument(metavar="ARCH", help="A config with weights, its folder, or RUN:TRIAL."),
]
Within = Annotated[
    str | None,
    typer.Option(
        metavar="COST",
        help="Judge the last exit within 2ms or 20M MACs; with --budget, that cost on average. "
        "Default: the network's own policy.",
    ),
]
Threshold = Annotated[
    float | None, typer.Option(help="Judge this one threshold for all exits, such as 0.8.")
]
Calibrate = Annotated[
    bool,
    typer.Option("--calibrate", help="Set temperatures on held-out images; with -o, a config."),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="DIR", help="Folder to write figures, pictures and images to."
    ),
]


def evaluate(
    arch: Arch,
    anytime: Annotated[
        bool, typer.Option("--anytime", help="Show the best answer within a budget per image.")
    ] = False,
    budget: Annotated[
        bool, typer.Option("--budget", help="Show accuracy against a budget shared by a batch.")
    ] = False,
    within: Within = None,
    threshold: Threshold = None,
    calibrate: Calibrate = False,
    split: Annotated[
        Literal["test", "held-out"], typer.Option(help="Whose figures: held-out reads no test.")
    ] = "test",
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="A data set, folder or .npz. Default: the config's."),
    ] = None,
    image: Annotated[
        int | None, typer.Option(metavar="PIXELS", help="Side of an image. Default: the config's.")
    ] = None,
    weights: Weights = None,
    output: Folder = None,
    force: Force = False,
    device: Device = "cpu",
    runtime: Runtime = "torch",
    ray_address: RayAddress = None,
    out: Out = RUNS,
    as_json: Json = False,
) -> None:
    """Judge a trained network: its exits, its policy, and what other budgets would give.

    Thresholds come from held-out images alone and are applied to the test images.
    """
    from nas.evaluation import calibrated, images, policies, writing
    from nas.evaluation import evaluate as judge
    from nas.evaluation.cost import exit_cost
    from nas.evaluation.evaluate import answered
    from nas.exits import single_threshold
    from nas.inference.trained import open_trained
    from nas.latency import devices

    if within is not None and threshold is not None:
        raise UserError("--within and --threshold exclude each other")
    asked = None if within is None else policies.limit(within)
    if threshold is not None:
        single_threshold(threshold, 1)
    if output is not None:
        writing.refuse_file(output)
        if calibrate:
            calibrated.refuse_taken(output, force)
    with devices.opened(runtime, device, ray_address) as source:
        trained = open_trained(arch, out, weights)
        spec = images.spec_of(trained, data, image)
        judges = images.read(spec, trained, split == "test", say)
        say(f"timing every exit ({runtime} on {device})")
        cost = exit_cost(trained.network.graph, source)
    if asked is not None:
        policies.within(asked, cost)  # what no exit can do is said before the images are classified
    seen = answered(trained, judges, say)
    before = trained.temperatures
    if calibrate:
        trained = calibrated.calibrated(trained, seen)
    policy = trained.policy
    if threshold is not None:
        policy = single_threshold(threshold, len(cost.macs))
    elif asked is not None and budget:
        held_out = seen.held_out.judged(trained.temperatures)
        policy = policies.within_on_average(asked, cost, held_out)
    elif asked is not None:
        policy = policies.within(asked, cost)
    curves = budget or output is not None
    found = judge(trained, judges, seen, cost, policy, curves, before)
    if output is not None:
        writing.write(found, trained, judges, seen, output)
        if calibrate:
            calibrated.write(trained, found, output)
    if as_json:
        show_json(found.to_json())
        return
    _show(found, calibrate)
    if anytime:
        _show_anytime(found)
    if budget:
        _show_budget(found, "macs", "MACs")
        _show_budget(found, "latency_ms", "ms")
    if output is not None:
        say(f"written to {output}{'; its config is calibrated' if calibrate else ''}")
    elif not (anytime or budget):
        say("--anytime and --budget show curves, -o DIR writes them with pictures and images")


def _show(found: "Evaluation", calibrate: bool) -> None:
    shape = "x".join(map(str, found.image))
    note = f" ({found.note})" if found.note else ""
    show_text(
        f"{found.space} {found.key}, image {shape}; {found.images.seen:,} {found.split} images of "
        f"{found.data}{note}\n"
    )
    reached = found.policy.reached.seen
    columns = ["exit", "accuracy %", "±", "held-out %", "MACs", "ms", "threshold", "leave here %"]
    rows = [
        [
            each.exit,
            _percent(each.accuracy.seen.accuracy),
            _percent(each.accuracy.seen.standard_error),
            _percent(each.accuracy.held_out.accuracy),
            each.macs,
            each.latency_ms,
            _threshold(threshold),
            _percent(share),
        ]
        for each, threshold, share in zip(
            found.exits, found.policy.thresholds, reached.shares, strict=True
        )
    ]
    if calibrate:
        columns += ["temperature", "calibration error %", "before %"]
        for row, each in zip(rows, found.exits, strict=True):
            errors = (each.calibrated_error.seen, each.calibration_error.seen)
            row += [each.calibrated, *map(_percent, errors)]
    show_table(columns, rows)
    show_text(
        f"\npolicy: {found.policy.found}\n"
        f"{_accuracy(found.policy)} % right; expected {cell(reached.latency_ms)} ms and "
        f"{cell(round(reached.macs))} MACs, p95 {cell(reached.p95_ms)} ms, "
        f"worst {cell(reached.worst_ms)} ms"
    )
    conditions = found.cost.conditions
    show_text(f"ms: {conditions['runtime']} on {conditions['device']}, one image at a time")


def _show_anytime(found: "Evaluation") -> None:
    show_text("\nanytime: the best answer within a budget per image")
    show_table(
        ("from ms", "from MACs", "exit", "accuracy %", "±"),
        [
            (
                each.latency_ms,
                each.macs,
                each.exit,
                _percent(each.accuracy.seen.accuracy),
                _percent(each.accuracy.seen.standard_error),
            )
            for each in found.exits
        ],
    )


def _show_budget(found: "Evaluation", unit: "Unit", name: str) -> None:
    assert found.curves is not None
    show_text(f"\nbudgeted batch: mean {name} of an image, thresholds from held-out images")
    points: tuple[PolicyFacts, ...] = getattr(found.curves, unit)
    if not points:
        show_text("no budget lies between the first exit and the last")
        return
    rows = []
    for point in points:
        gap = point.gap(unit)
        rows.append(
            (
                point.budget,
                getattr(point.reached.held_out, unit),
                getattr(point.reached.seen, unit),
                None if gap is None else round(100 * gap, 2),
                _percent(point.reached.seen.accuracy),
                _percent(point.reached.seen.standard_error),
                point.found.partition("shares ")[2],
            )
        )
    show_table(
        ("budget", "held-out", found.split, "gap %", "accuracy %", "±", "shares"),
        rows,
    )


def _accuracy(policy: "PolicyFacts") -> str:
    seen = policy.reached.seen
    return f"{_percent(seen.accuracy)} ± {_percent(seen.standard_error)}"


def _threshold(value: float) -> float | None:
    return None if value > 1 else value


def _percent(share: float) -> float:
    return round(100 * share, 2)
