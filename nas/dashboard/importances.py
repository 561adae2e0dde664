"""Which decisions of a run mattered: their importances by PED-ANOVA."""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nas import store
from nas.errors import UserError
from nas.measurement import HeldOut, Measurement

if TYPE_CHECKING:
    from nas.objective import Direction, Objective
    from nas.run import Run
    from search_spaces.architecture import Decision, Option

LEAST = 4  # complete trials
MOST = 1000  # trials that are looked at: more take longer than anybody waits
_SEED = 0
_BEST = 0.1  # the share of the trials that PED-ANOVA tells from the others
_DIRECTIONS: dict[str, "Direction"] = {
    "reward": "maximize",
    "accuracy": "maximize",
    "latency_ms": "minimize",
}


def of(run: "Run") -> dict[str, Any]:
    """Return the importances of a run's decisions, the most important first, as JSON values.

    The targets are the reward at the run's own target latency (accuracy, where there is none),
    accuracy and latency_ms, each under the exit policy that the run's objective gives a trial. The
    importances of a target sum to 1. Where there are too few trials, or all reached the same,
    "error" says so and the lists are empty.

    Raises:
        UserError: the run's record is missing or damaged.
    """
    facts = store.complete_facts(run.storage_url, run.name)
    # A reused measurement would count one network twice.
    numbers = [n for n, each in facts.items() if each.get("reused_from") is None]
    chosen = _sample(numbers)
    found: dict[str, Any] = {
        "of": len(chosen),
        "targets": {target: [] for target in _DIRECTIONS},
        "method": _method(len(chosen), len(numbers)),
        "error": None,
    }
    if len(numbers) < LEAST:
        return found | {"error": f"needs {LEAST} complete trials, the run has {len(numbers)}"}
    objective, decisions = run.objective(), run.space().decisions
    reached = [_reached(run, objective, number, facts[number]) for number in chosen]
    networks = [facts[number]["architecture"]["decisions"] for number in chosen]
    for target, direction in _DIRECTIONS.items():
        values = [each[target] for each in reached]
        if len(set(values)) > 1:
            found["targets"][target] = ranked(networks, values, direction, decisions)
    if not any(found["targets"].values()):
        found["error"] = "all trials reached the same, so nothing tells their decisions apart"
    return found


def ranked(
    networks: Sequence[Mapping[str, "Option"]],
    values: Sequence[float],
    direction: "Direction",
    decisions: Sequence["Decision"],
) -> list[list[Any]]:
    """Return [decision, importance] of all decisions that varied, the most important first.

    `networks` are active decisions and their options, `values` what they reached. An option that
    no search tries (of a published network) counts as none.
    """
    import optuna

    with store.quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few trials: the importances are then zero
        study = optuna.create_study(direction=direction)
        distributions = {
            each.name: optuna.distributions.CategoricalDistribution(each.options)
            for each in decisions
        }
        known = {each.name: each for each in decisions}
        for network, value in zip(networks, values, strict=True):
            active = {n: v for n, v in network.items() if n in known and known[n].has(v)}
            study.add_trial(
                optuna.trial.create_trial(
                    value=value,
                    params=active,
                    distributions={name: distributions[name] for name in active},
                )
            )
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=_BEST)
        importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
    order = sorted(importances.items(), key=lambda found: (-found[1], found[0]))
    return [[name, float(importance)] for name, importance in order]


def _sample(numbers: list[int]) -> list[int]:
    if len(numbers) <= MOST:
        return numbers
    drawn = np.random.default_rng(_SEED).choice(len(numbers), MOST, replace=False)
    return [numbers[index] for index in sorted(drawn)]


def _reached(
    run: "Run", objective: "Objective", number: int, facts: Mapping[str, Any]
) -> dict[str, float]:
    """What the objective's policy reaches with a trial's network, by target."""
    held_out = HeldOut.load(run.facts_path(number))
    try:
        measurement = Measurement.from_facts(facts["measurement"], held_out)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"trial {number} of {run.path} is damaged: {error!r}") from None
    seen, reward = objective.view(measurement), objective.reward
    return {
        "reward": reward(seen.accuracy, seen.latency_ms) if reward else seen.accuracy,
        "accuracy": seen.accuracy,
        "latency_ms": seen.latency_ms,
    }


def _method(looked_at: int, complete: int) -> str:
    sampled = (
        "" if looked_at == complete else f"; {looked_at} of {complete} trials, drawn at random"
    )
    return (
        "PED-ANOVA (Watanabe et al., IJCAI 2023): how much a decision tells the best "
        f"{_BEST:.0%} of the trials from all of them{sampled}"
    )
