"""One network in full: its exits, its policies, its drawing and its operators, as JSON values."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas import plugins
from nas.dashboard import drawing, operators
from nas.errors import UserError
from nas.exits import policy_scores
from search_spaces.operators import costs
from search_spaces.space import KEY_CLASSES, KEY_IMAGE

if TYPE_CHECKING:
    from nas.exits import PolicyScore
    from nas.measurement import Measurement
    from nas.record import TrialRecord
    from nas.run import Run
    from search_spaces.architecture import Architecture
    from search_spaces.blocks import BlockGraph, Image


def of(
    run: "Run",
    record: "TrialRecord",
    latency: Sequence[dict[str, Any]] | None,
    image: "Image | None",
    classes: int | None,
) -> dict[str, Any]:
    """Return all there is to say of a trial; one without a measurement has no policies.

    Args:
        run: the run it belongs to.
        record: the trial.
        latency: of each exit, as the trial's facts have it (latency_ms, low_ms, high_ms, how).
        image: (channels, height, width) the run trains on; None, not known, draws 3x32x32.
        classes: how many; None draws 10.

    Raises:
        UserError: nothing is known of the trial's network.
    """
    architecture, measured = record.architecture, record.measurement
    if architecture is None:
        raise UserError(f"trial {record.trial} of run {run.name!r} has no architecture")
    owner = record.trial if record.reused_from is None else record.reused_from
    exit_ms = _exit_ms(measured, latency)
    found = _network(architecture, image, classes, exit_ms)
    found["exits"] = [
        each
        | {
            "accuracy": None if measured is None else measured.accuracy_of_exit(k),
            "latency_ms": None if exit_ms is None else exit_ms[k],
            "low_ms": latency[k].get("low_ms") if latency else None,
            "high_ms": latency[k].get("high_ms") if latency else None,
        }
        for k, each in enumerate(found["exits"])
    ]
    scores = () if measured is None else policy_scores(measured.at(run.settings.risk))
    return found | {
        "trial": record.trial,
        "policies": [_policy(row, seen) for row, seen in enumerate(scores)],
        "weights": run.weights_path(owner).is_file(),
    }


def _network(
    architecture: "Architecture",
    image: "Image | None",
    classes: int | None,
    exit_ms: Sequence[float] | None,
) -> dict[str, Any]:
    """Everything that the architecture alone says, with every key of a detail."""
    shape, answers = image or KEY_IMAGE, classes or KEY_CLASSES
    space = plugins.space(architecture.space)
    graph = space.blocks(architecture, shape, answers)
    decisions = architecture.decisions()
    drawn = drawing.draw(graph, decisions)
    names = (name for name, each in space.published.items() if each.key == architecture.key)
    return {
        "trial": None,
        "key": architecture.key,
        "space": architecture.space,
        "decisions": decisions,
        "text": next(names, None),
        "image": list(shape),
        "classes": answers,
        "exits": _exits(graph),
        "policies": [],
        "graph": drawn.to_json(),
        "operators": operators.table(graph, exit_ms, drawn.home()),
        "shares_from": operators.UNMEASURED if exit_ms is None else operators.SHARED,
        "weights": False,
    }


def _exits(graph: "BlockGraph") -> list[dict[str, Any]]:
    unknown = dict.fromkeys(("accuracy", "latency_ms", "low_ms", "high_ms"))
    return [
        {"exit": number, **unknown, "macs": macs}
        for number, macs in enumerate(costs(graph).lazy_macs, start=1)
    ]


def _exit_ms(
    measured: "Measurement | None", latency: Sequence[dict[str, Any]] | None
) -> tuple[float, ...] | None:
    if measured is not None:
        return measured.exit_latency_ms
    return tuple(float(each["latency_ms"]) for each in latency) if latency else None


def _policy(row: int, seen: "PolicyScore") -> dict[str, Any]:
    return {
        "row": row,
        "found": seen.policy.found,
        "thresholds": list(seen.policy.thresholds),
        "shares": list(seen.shares),
        "accuracy": seen.accuracy,
        "standard_error": seen.standard_error,
        "latency_ms": seen.latency_ms,
        "p95_ms": seen.p95_ms,
        "worst_ms": seen.worst_ms,
        "macs": seen.macs,
    }
