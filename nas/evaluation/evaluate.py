"""From a trained network and images to everything worth knowing about its exits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import UserError
from nas.evaluation.cost import ExitCost
from nas.evaluation.facts import (
    Accuracy,
    Both,
    ClassFacts,
    Curves,
    Evaluation,
    ExitFacts,
    PolicyFacts,
    Reached,
)
from nas.exits import (
    ExitPolicy,
    budgeted_policy,
    budgets,
    official_policies,
    score,
    single_threshold,
)
from nas.exits.fixed import THRESHOLDS
from nas.exits.leaving import easy, exits_taken, hard, right
from nas.exits.policy import standard_error
from nas.exits.sweep import as_official
from nas.measurement import HeldOut

if TYPE_CHECKING:
    from torch import Tensor

    from nas.evaluation.images import Judges
    from nas.inference.trained import Trained


@dataclass(frozen=True, eq=False, slots=True)
class Answers:
    """What every exit answered: logits [images, exits, classes] and the true labels [images]."""

    logits: "Tensor"
    labels: "Tensor"

    def judged(self, temperatures: Sequence[float]) -> HeldOut:
        """How sure and how right each exit was, at one temperature an exit."""
        from nas.exits.confidence import judged

        return judged(self.logits, self.labels, temperatures)


def answered(
    trained: "Trained", judges: "Judges", say: Callable[[str], None] = lambda line: None
) -> Both[Answers]:
    """Run the network once over the held-out images, and over the test images where there are.

    Raises UserError where an exit answers with something that is no finite number.
    """
    from nas.training.errors import TrainingDiverged
    from nas.training.evaluate import answers

    preprocessing = trained.config.preprocessing
    assert preprocessing is not None
    found = []
    for split, name in ((judges.held_out, "held-out"), (judges.test, "test")):
        if split is None:
            continue
        say(f"classifying {len(split)} {name} images")
        try:
            logits = answers(trained.network, split, preprocessing.mean, preprocessing.std)
        except TrainingDiverged:
            raise UserError("the weights give answers that are no finite numbers") from None
        found.append(Answers(logits, split.labels))
    return Both(found[0], found[1] if judges.test is not None else None)


def evaluate(
    trained: "Trained",
    judges: "Judges",
    seen: Both[Answers],
    cost: ExitCost,
    policy: ExitPolicy,
    curves: bool,
    before: Sequence[float] | None = None,
) -> Evaluation:
    """Judge every exit and `policy`; where asked, the curves, thresholds set on held-out images.

    Confidences are at the temperatures of `trained`. seen: the network's answers to `judges`.
    before: its temperatures before calibration, if it was calibrated.
    """
    facts = seen.map(lambda answers: answers.judged(trained.temperatures))
    shown, labels = facts.seen, seen.seen.labels.numpy()
    architecture = trained.config.architecture()
    return Evaluation(
        space=architecture.space,
        key=architecture.key,
        image=trained.image,
        data=judges.name,
        note=judges.note,
        images=facts.map(lambda each: each.images),
        cost=cost,
        exits=_exits(seen, facts, cost, before or trained.temperatures),
        policy=policy_facts(policy, facts, cost),
        classes=_classes(trained.classes, shown, labels, policy, cost),
        curves=_curves(facts, cost) if curves else None,
    )


def policy_facts(
    policy: ExitPolicy, facts: Both[HeldOut], cost: ExitCost, budget: float | None = None
) -> PolicyFacts:
    """Apply a policy to the held-out and to the test images."""
    reached = facts.map(lambda each: _reached(policy, each, cost))
    return PolicyFacts(policy.found, policy.thresholds, reached, budget)


def _reached(policy: ExitPolicy, facts: HeldOut, cost: ExitCost) -> Reached:
    seen = score(policy, facts, cost.latency_ms, cost.macs)
    return Reached(
        accuracy=seen.accuracy,
        standard_error=seen.standard_error,
        latency_ms=seen.latency_ms,
        p95_ms=seen.p95_ms,
        worst_ms=seen.worst_ms,
        macs=seen.macs,
        official_ops=float(np.dot(seen.shares, cost.official_ops)),
        shares=seen.shares,
    )


def _exits(
    seen: Both[Answers], facts: Both[HeldOut], cost: ExitCost, temperatures: Sequence[float]
) -> tuple[ExitFacts, ...]:
    from nas.exits import calibration

    found = calibration.temperatures(seen.held_out.logits, seen.held_out.labels)
    plain = seen.map(lambda each: calibration.calibration_error(each.judged(temperatures)))
    after = seen.map(lambda each: calibration.calibration_error(each.judged(found)))
    return tuple(
        ExitFacts(
            exit=k + 1,
            macs=cost.macs[k],
            all_macs=cost.all_macs[k],
            official_ops=cost.official_ops[k],
            latency_ms=cost.latency_ms[k],
            accuracy=facts.map(partial(_accuracy, k=k)),
            temperature=temperatures[k],
            calibrated=found[k],
            calibration_error=plain.map(itemgetter(k)),
            calibrated_error=after.map(itemgetter(k)),
        )
        for k in range(facts.held_out.exits)
    )


def _accuracy(facts: HeldOut, k: int) -> Accuracy:
    share = float(facts.correct[:, k].mean())
    return Accuracy(share, standard_error(share, facts.images))


def _classes(
    names: Sequence[str], facts: HeldOut, labels: np.ndarray, policy: ExitPolicy, cost: ExitCost
) -> tuple[ClassFacts, ...]:
    taken = exits_taken(policy, facts)
    answered_right, simple, difficult = right(taken, facts), easy(policy, facts), hard(facts)
    found = []
    for number, name in enumerate(names):
        members = labels == number
        count = int(members.sum())
        left = np.bincount(taken[members], minlength=facts.exits) / max(count, 1)
        found.append(
            ClassFacts(
                name=name,
                images=count,
                accuracy=float(answered_right[members].sum() / max(count, 1)),
                latency_ms=float(left @ np.array(cost.latency_ms)),
                shares=tuple(left.tolist()),
                easy=int(simple[members].sum()),
                hard=int(difficult[members].sum()),
            )
        )
    return tuple(found)


def _curves(facts: Both[HeldOut], cost: ExitCost) -> Curves:
    def spending(each: Sequence[float], unit: str) -> tuple[PolicyFacts, ...]:
        return tuple(
            policy_facts(budgeted_policy(facts.held_out, each, b, unit), facts, cost, b)
            for b in budgets(each)
        )

    rounded = facts.map(as_official)
    exits = facts.held_out.exits
    return Curves(
        macs=spending(cost.macs, "MACs"),
        latency_ms=spending(cost.latency_ms, "ms"),
        official=tuple(
            policy_facts(policy, rounded, cost) for policy in official_policies(facts.held_out)
        ),
        thresholds=tuple(policy_facts(single_threshold(t, exits), facts, cost) for t in THRESHOLDS),
    )
