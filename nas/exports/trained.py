"""A fully trained network as a config beside its weights."""

from typing import TYPE_CHECKING

from nas.config import Config, exits_of
from nas.evaluation.cost import exit_cost
from nas.exits import PolicyScore, cheapest_policy, score
from nas.exits.confidence import judged
from nas.exports.config import metrics_of, preprocessing_of, provenance_of
from nas.measurement import Measurement

if TYPE_CHECKING:
    from latency.source import LatencySource
    from nas.data.dataset import Dataset
    from nas.train_settings import TrainSettings
    from nas.training.full import Outcome


def measured(
    settings: "TrainSettings", dataset: "Dataset", outcome: "Outcome", source: "LatencySource"
) -> Measurement:
    """The facts of a trained network; its latency is estimated now, confidences are exact.

    Raises LatencyError where it cannot be timed.
    """
    cost = exit_cost(outcome.network.graph, source, settings.seed)
    return Measurement(
        exit_latency_ms=cost.latency_ms,
        exit_macs=cost.macs,
        parameters=cost.parameters,
        held_out=judged(outcome.logits, dataset.held_out.labels),
        seconds=outcome.seconds,
        epochs=len(outcome.epochs),
        seed=settings.seed,
    )


def policy(facts: Measurement) -> PolicyScore:
    """The cheapest exit policy within half a point of the last exit, scored where it was found.

    A search compares policies, so it scores each on images that did not choose it. Here one policy
    goes into the config, and beside it must stand what that policy costs; its accuracy on images
    that chose nothing is what `nas evaluate` finds.
    """
    chosen = cheapest_policy(facts).policy
    return score(chosen, facts.held_out, facts.exit_latency_ms, facts.exit_macs)


def config_of(
    settings: "TrainSettings",
    dataset: "Dataset",
    facts: Measurement,
    source: "LatencySource",
    weights: str,
) -> Config:
    """The config of a training; `weights` is the file's name beside it."""
    seen, conditions = policy(facts), source.conditions()
    latency = {"device": source.device, "runtime": source.name, "conditions": conditions}
    return Config.of(
        settings.architecture,
        image=dataset.image,
        classes=dataset.classes,
        preprocessing=preprocessing_of(dataset),
        exits=exits_of(seen),
        metrics=metrics_of(facts, seen, latency),
        recipe={"name": settings.recipe_name, **settings.recipe},
        provenance=provenance_of(
            settings.name, None, settings.seed, dataset, settings.data_spec(), conditions
        ),
        weights=weights,
    )
