"""From a controller to the next architecture, and the seeds that go with it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial

from controllers.record import AGAIN
from nas.store import STARTED, Store, quiet

if TYPE_CHECKING:
    from controllers.protocols import Space
    from nas.objective import Direction
    from nas.starting import StartingPoint
    from search_spaces.architecture import Architecture
    from search_spaces.space import SearchSpace


def derived_seed(seed: int, *parts: str | int) -> int:
    """A seed below 2**31 for one purpose, the same wherever and whenever it is asked for."""
    text = ":".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True, slots=True)
class Proposal:
    """An architecture that a trial is about.

    wanted: however slow it is. again: trained once more, where it was trained before.
    """

    number: int
    architecture: "Architecture"
    wanted: bool = False
    again: bool = False


def proposed(trial: FrozenTrial, architecture: "Architecture") -> Proposal:
    """A proposal as its trial's record has it."""
    named = trial.user_attrs.get(STARTED, {}).get("named", False)
    return Proposal(trial.number, architecture, named, bool(trial.system_attrs.get(AGAIN, False)))


def propose(store: Store, sampler: optuna.samplers.BaseSampler, space: "SearchSpace") -> Proposal:
    """The next trial, already recorded as running.

    Every decision is suggested in every trial: Optuna's samplers learn only over what all trials
    have in common. The space then drops the decisions that do not count.
    """
    trial = store.ask(sampler, space.distributions())
    return proposed(trial, space.architecture(trial.params))


def begin(store: Store, point: "StartingPoint", space: "SearchSpace") -> Proposal:
    """The next trial, about a network that the search begins with, already recorded as running.

    Samplers see the nearest options; the network itself is on record beside them.
    """
    trial = store.start(space.nearest(point.architecture), space.distributions(), point.to_json())
    return proposed(trial, point.architecture)


def refuse_unfit(
    sampler: optuna.samplers.BaseSampler, space: "Space", directions: "Sequence[Direction]"
) -> None:
    """Asks once on a study that is thrown away; raises what the controller says against it."""
    with quiet():
        study = optuna.create_study(sampler=sampler, directions=list(directions))
        study.ask(dict(space.distributions()))
