"""Which decisions of a run mattered: their importances by PED-ANOVA."""

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import TrialState

from nas import records, store
from nas.dashboard.rows import Rows

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from nas.objective import Objective
    from nas.run import Run
    from search_spaces.architecture import Decision, Option

LEAST = 4  # complete trials
MOST = 1000  # trials that are looked at: more take longer than anybody waits
_SEED = 0
_BEST = 0.1  # the share of the trials that PED-ANOVA tells from the others
_TARGETS = ("reward", "accuracy", "latency_ms")
_SMALLER_IS_BETTER = ("latency_ms",)


def of(run: "Run") -> dict[str, Any]:
    """Return the importances of a run's decisions, the most important first, as JSON values.

    The targets are the reward at the run's own target latency (accuracy, where there is none),
    accuracy and latency_ms, each under the exit policy that the run's objective gives a trial. The
    importances of a target sum to 1. Where there are too few trials, or all reached the same,
    "error" says so and the lists are empty.

    Raises:
        UserError: the run's record is missing or damaged.
    """
    facts = _facts(run)
    # A reused measurement would count one network twice.
    numbers = [n for n, each in facts.items() if each.get("reused_from") is None]
    chosen = _sample(numbers)
    found: dict[str, Any] = {
        "of": len(chosen),
        "targets": {target: [] for target in _TARGETS},
        "method": _method(len(chosen), len(numbers)),
        "error": None,
    }
    if len(numbers) < LEAST:
        return found | {"error": f"needs {LEAST} complete trials, the run has {len(numbers)}"}
    objective, decisions = run.objective(), run.space().decisions
    reached = [_reached(run, objective, number, facts[number]) for number in chosen]
    networks = [facts[number]["architecture"]["decisions"] for number in chosen]
    found["targets"] = ranked(networks, reached, decisions)
    if not any(found["targets"].values()):
        found["error"] = "all trials reached the same, so nothing tells their decisions apart"
    return found


def _facts(run: "Run") -> dict[int, dict[str, Any]]:
    """What is recorded of complete trials, by their number."""
    with contextlib.closing(Rows(run.storage_url, run.name)) as rows:
        return {
            row.number: row.attributes.get(store.FACTS, {})
            for row in rows.changed()
            if row.state == TrialState.COMPLETE
        }


def ranked(
    networks: Sequence[Mapping[str, "Option"]],
    reached: Sequence[Mapping[str, float]],
    decisions: Sequence["Decision"],
) -> dict[str, list[list[Any]]]:
    """Return, by target, [decision, importance] of all decisions, the most important first.

    `networks` are active decisions and their options; an option that no search tries (of a
    published network) counts as none. A target that is the same for all has an empty list.
    """
    import optuna

    with store.quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that small is good, and of few trials
        study = optuna.create_study(directions=["minimize"] * len(_TARGETS))
        for network, values in zip(networks, reached, strict=True):
            study.add_trial(_trial(network, values, decisions))
        found = {}
        for index, target in enumerate(_TARGETS):
            differs = len({values[target] for values in reached}) > 1
            found[target] = _importances(study, index) if differs else []
    return found


def _trial(
    network: Mapping[str, "Option"], values: Mapping[str, float], decisions: Sequence["Decision"]
) -> "FrozenTrial":
    """A trial as Optuna has it: only active decisions, and every value the smaller the better."""
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import create_trial

    active = [each for each in decisions if each.name in network and each.has(network[each.name])]
    return create_trial(
        values=[values[t] if t in _SMALLER_IS_BETTER else -values[t] for t in _TARGETS],
        params={each.name: each.option(network[each.name]) for each in active},
        distributions={each.name: CategoricalDistribution(each.options) for each in active},
    )


def _importances(study: "Study", index: int) -> list[list[Any]]:
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    evaluator = PedAnovaImportanceEvaluator(target_quantile=_BEST)
    found = get_param_importances(
        study, evaluator=evaluator, target=lambda trial: float(trial.values[index])
    )
    order = sorted(found.items(), key=lambda each: (-each[1], each[0]))
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
    measurement = records.measured(run, number, facts)
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
