"""A network with its temperatures set, and the folder by which others use it so."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas import atomic
from nas.config import Exits, Metrics, save
from nas.errors import UserError
from nas.evaluation.evaluate import Answers
from nas.evaluation.facts import Both, Evaluation
from nas.evaluation.policies import same_shares
from nas.inference.trained import CONFIG, Trained
from nas.training.weights import FILE, to_bytes

if TYPE_CHECKING:
    from nas.config import Config


def calibrated(trained: Trained, seen: Both[Answers]) -> Trained:
    """The network at the temperatures its held-out images ask for, as many leaving at each exit."""
    from nas.exits.calibration import temperatures

    found = temperatures(seen.held_out.logits, seen.held_out.labels)
    before = seen.held_out.judged(trained.temperatures)
    policy = same_shares(trained.policy, before, seen.held_out.judged(found))
    return replace(trained, policy=policy, temperatures=found)


def config_of(trained: Trained, evaluation: Evaluation) -> "Config":
    """The network's config with its temperatures, the policy evaluated and what that reaches."""
    reached, cost = evaluation.policy.reached.held_out, evaluation.cost
    exits = Exits(
        thresholds=evaluation.policy.thresholds,
        found=evaluation.policy.found,
        temperatures=trained.temperatures,
    )
    metrics = Metrics(
        accuracy=reached.accuracy,
        standard_error=reached.standard_error,
        latency_ms=reached.latency_ms,
        p95_ms=reached.p95_ms,
        worst_ms=reached.worst_ms,
        exit_latency_ms=cost.latency_ms,
        exit_macs=cost.macs,
        parameters=cost.parameters,
        device=cost.conditions["device"],
        runtime=cost.conditions["runtime"],
        conditions=cost.conditions,
    )
    return trained.config.model_copy(update={"exits": exits, "metrics": metrics, "weights": FILE})


def refuse_taken(folder: Path, force: bool) -> None:
    """Raise UserError where `write` would replace a config or weights, unless `force`.

    Weights without a config are those of a training that has not ended.
    """
    for path in (folder / CONFIG, folder / FILE):
        if path.exists() and not force:
            raise UserError(f"{path} exists; give another folder with -o, or --force to replace it")


def write(trained: Trained, evaluation: Evaluation, folder: Path) -> None:
    """Write a config and the weights beside it, as `nas train` does.

    Raises UserError where the folder cannot be written.
    """
    try:
        atomic.write(folder / FILE, to_bytes(trained.network))
    except OSError as error:
        raise UserError(f"{folder / FILE}: cannot be written ({error.strerror})") from None
    save(config_of(trained, evaluation), folder / CONFIG)
