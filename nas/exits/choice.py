"""The policy a network should have, scored on images that did not choose it.

Two-fold cross-fitting: a policy is chosen on one half of the held-out images and scored on the
other, then the halves swap; together every image is judged once, by thresholds it had no part in.
The policy that is reported, and used afterwards, is the one chosen on all of them.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from nas.exits.candidates import candidate_thresholds, recipes
from nas.exits.policy import (
    ExitPolicy,
    FloatArray,
    PolicyScore,
    Tally,
    reachable_worst,
    summarise,
    tally,
)
from nas.measurement import HeldOut, Measurement

Choose = Callable[[Tally], int]
_HALVES_SEED = 20_180_130  # any fixed number: every trial of every run is halved alike


@cache
def _halves(images: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    order = np.random.default_rng(_HALVES_SEED).permutation(images)
    return order[: images // 2], order[images // 2 :]


def _split(held_out: HeldOut) -> tuple[HeldOut, HeldOut]:
    """Return the two halves, the same for every network with as many held-out images."""
    if held_out.images < 2:
        raise ValueError("cross-fitting needs at least two held-out images")
    one, two = (
        HeldOut(held_out.confidence[half], held_out.correct[half])
        for half in _halves(held_out.images)
    )
    return one, two


def _cross_fitted(measurement: Measurement, choose: Choose) -> PolicyScore:
    one, two = _split(measurement.held_out)
    folds, worst = [], []
    for chosen_on, scored_on in ((one, two), (two, one)):
        thresholds = candidate_thresholds(chosen_on)
        row = choose(tally(chosen_on, thresholds))
        folds.append(tally(scored_on, thresholds[row : row + 1]))
        worst.append(reachable_worst(thresholds[row].tolist(), measurement.exit_latency_ms))
    thresholds = candidate_thresholds(measurement.held_out)
    row = choose(tally(measurement.held_out, thresholds))
    policy = _policy(thresholds, row)
    worst.append(reachable_worst(policy.thresholds, measurement.exit_latency_ms))
    # The worst case of all three, so that it never lies below the p95 of the other two.
    return summarise(
        policy,
        folds[0] + folds[1],
        0,
        measurement.exit_latency_ms,
        measurement.exit_macs,
        max(worst),
    )


def _policy(thresholds: FloatArray, row: int) -> ExitPolicy:
    exits = thresholds.shape[1]
    return ExitPolicy(tuple(thresholds[row].tolist()), recipes(exits)[row])


def best_policy(
    measurement: Measurement, objective: Callable[[float, float], float]
) -> PolicyScore:
    """Find the policy with the largest `objective(accuracy, latency_ms)`, the faster one of equals.

    Cross-fitted: the score is an honest estimate of choosing a policy for this network in this
    way, the standard error that of its accuracy. Raises ValueError below two held-out images.
    """

    def choose(counts: Tally) -> int:
        latency = counts.mean(measurement.exit_latency_ms)
        value = [objective(a, ms) for a, ms in zip(counts.accuracy(), latency, strict=True)]
        return int(np.lexsort((latency, -np.asarray(value)))[0])

    return _cross_fitted(measurement, choose)


def cheapest_policy(measurement: Measurement, tolerance: float = 0.005) -> PolicyScore:
    """Find the fastest policy with an accuracy at most `tolerance` below the last exit's.

    Cross-fitted as `best_policy`; the more accurate one of equally fast policies. There always is
    one: never to exit early. Raises ValueError below two held-out images.
    """

    def choose(counts: Tally) -> int:
        latency, accuracy = counts.mean(measurement.exit_latency_ms), counts.accuracy()
        # Accuracies are quotients of counts: the slack keeps "exactly half a point" within.
        allowed = accuracy >= accuracy[-1] - tolerance - 1e-12
        return int(np.lexsort((-accuracy, latency, ~allowed))[0])

    return _cross_fitted(measurement, choose)


def policy_scores(measurement: Measurement) -> tuple[PolicyScore, ...]:
    """Score every recipe, choosing none: what a front over policies is made of.

    For each recipe the thresholds are found on one half and scored on the other, then swapped.
    Recipes whose thresholds on all images are the same appear once. Raises ValueError below two
    held-out images.
    """
    one, two = _split(measurement.held_out)
    from_one, from_two = candidate_thresholds(one), candidate_thresholds(two)
    counts = tally(two, from_one) + tally(one, from_two)
    on_all = candidate_thresholds(measurement.held_out)
    _, first = np.unique(on_all, axis=0, return_index=True)
    scores = []
    for row in sorted(first.tolist()):
        reported = [table[row].tolist() for table in (on_all, from_one, from_two)]
        worst = max(reachable_worst(t, measurement.exit_latency_ms) for t in reported)
        scores.append(
            summarise(
                _policy(on_all, row),
                counts,
                row,
                measurement.exit_latency_ms,
                measurement.exit_macs,
                worst,
            )
        )
    return tuple(scores)
