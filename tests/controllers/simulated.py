"""A small conditional space and a search over it, told the way the platform tells it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from controllers.record import ASKED_AFTER, FIXED, TOLD

OPTIONS: dict[str, tuple[Any, ...]] = {
    "width": (16, 32, 64),
    "op": ("conv", "mbconv", "shuffle"),
    "expansion": (3, 6),
    "groups": (2, 4, 8),
    "attention": (False, True),
    "depth": (1, 2, 3, 4),
}
CONDITIONS = {"expansion": ("op", "mbconv"), "groups": ("op", "shuffle")}


@dataclass(frozen=True)
class Point:
    """An architecture of the toy space."""

    choices: tuple[tuple[str, Any], ...]

    @property
    def key(self) -> str:
        return repr(self.choices)


class ToySpace:
    """`expansion` matters for mbconv only, `groups` for shuffle only: 144 architectures."""

    def distributions(self) -> dict[str, BaseDistribution]:
        return {name: CategoricalDistribution(options) for name, options in OPTIONS.items()}

    def active(self, choices: Mapping[str, Any]) -> frozenset[str]:
        assert choices.keys() == OPTIONS.keys()
        off = {name for name, (on, option) in CONDITIONS.items() if choices[on] != option}
        return frozenset(OPTIONS.keys() - off)

    def architecture(self, choices: Mapping[str, Any]) -> Point:
        active = self.active(choices)
        return Point(tuple((name, choices[name]) for name in OPTIONS if name in active))

    def parameters(self, architecture: Point) -> dict[str, Any]:
        return {name: options[0] for name, options in OPTIONS.items()} | dict(architecture.choices)

    def encode(self, architecture: Point) -> np.ndarray:
        chosen = dict(architecture.choices)
        row = [name in chosen and chosen[name] == o for name in OPTIONS for o in OPTIONS[name]]
        return np.array(row, dtype=np.float32)

    def mutate(self, architecture: Point, rng: np.random.Generator) -> Point:
        near = list(self.neighbours(architecture))
        return near[rng.integers(len(near))]

    def neighbours(self, architecture: Point) -> Iterator[Point]:
        choices = self.parameters(architecture)
        for name in dict(architecture.choices):
            for option in OPTIONS[name]:
                if option != choices[name]:
                    yield self.architecture(choices | {name: option})


def accuracy(params: Mapping[str, Any]) -> float:
    """Rises with the index of every active choice, to 1 at the last options."""
    active = ToySpace().active(params)
    parts = [
        options.index(params[name]) / (len(options) - 1)
        for name, options in OPTIONS.items()
        if name in active
    ]
    return sum(parts) / len(parts)


def new_study() -> optuna.Study:
    return optuna.create_study(direction="maximize")


def ask(study: optuna.Study, sampler: BaseSampler, asked_after: int) -> optuna.Trial:
    """Propose one architecture; the new trial is running and carries `asked_after`."""
    study.sampler = sampler
    trial = study.ask()
    study._storage.set_trial_system_attr(trial._trial_id, ASKED_AFTER, asked_after)
    for name, distribution in ToySpace().distributions().items():
        trial._suggest(name, distribution)
    return trial


def tell(study: optuna.Study, trial: optuna.Trial, order: int, value: float | None) -> None:
    """Record a result as the `order`-th; None or NaN is a failure."""
    study._storage.set_trial_system_attr(trial._trial_id, TOLD, order)
    state = None if value is not None else TrialState.FAIL
    study.tell(trial, value, state=state)


def search(
    sampler: Callable[[], BaseSampler],
    trials: int,
    workers: int = 1,
    value: Callable[[int, Mapping[str, Any]], float | None] = lambda number, p: accuracy(p),
) -> tuple[optuna.Study, list[list[FrozenTrial]]]:
    """Search with `sampler()` asked anew each time; results come in out of order.

    Returns the study, and what it held just before each proposal.
    """
    study, pending, order = new_study(), list[optuna.Trial](), 0
    rng = np.random.default_rng(5)
    before = []
    for _ in range(trials):
        if len(pending) == workers:
            order += 1
            done = pending.pop(int(rng.integers(workers)))
            tell(study, done, order, value(done.number, done.params))
        before.append(study.get_trials(deepcopy=False))
        pending.append(ask(study, sampler(), order))
    return study, before


def replayed(trials: list[FrozenTrial]) -> optuna.Study:
    """A fresh study with copies of the trials and nothing but the record's own attributes."""
    study = new_study()
    for trial in trials:
        study.add_trial(
            optuna.create_trial(
                state=trial.state,
                value=trial.value,
                params=trial.params,
                distributions=trial.distributions,
                system_attrs={
                    key: trial.system_attrs[key]
                    for key in (TOLD, ASKED_AFTER, FIXED)
                    if key in trial.system_attrs
                },
            )
        )
    return study


def fingerprint(study: optuna.Study) -> str:
    """A short hash of all proposals in order."""
    proposals = json.dumps([trial.params for trial in study.trials])
    return hashlib.sha256(proposals.encode()).hexdigest()[:16]


class ToyCost:
    """Latency doubles with the width; the reward weighs accuracy by it."""

    def __init__(self, objectives: int = 1, bound_ms: float = 1e9) -> None:
        self._objectives, self._bound_ms = objectives, bound_ms

    def __call__(self, architecture: Point) -> float:
        return float(dict(architecture.choices)["width"]) / 16

    def weights(self, architecture: Point) -> tuple[float, ...]:
        return (float(self(architecture) ** -0.3),) if self._objectives == 1 else (1.0, 1.0)

    def known(self, architecture: Point) -> tuple[float | None, ...]:
        return (None, self(architecture))[: self._objectives]

    def measures(self, architecture: Point) -> tuple[float, ...]:
        return (self(architecture),)

    def violation(self, architecture: Point) -> float:
        return max(0.0, self(architecture) / self._bound_ms - 1)


def rewarded(number: int, params: Mapping[str, Any]) -> float:
    """The reward under `ToyCost`."""
    return accuracy(params) * ToyCost().weights(ToySpace().architecture(params))[0]
