"""A policy of early exits, and what it reaches on held-out images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nas.measurement import HeldOut

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ExitPolicy:
    """An image leaves at the first exit whose confidence is at least that exit's threshold.

    A threshold above 1 lets nobody leave; the last one is 0.0, so that everybody has left there.
    `found` says in words how the thresholds were found. Raises ValueError if the last threshold
    is not 0.0 or one is negative or not finite.
    """

    thresholds: tuple[float, ...]
    found: str

    def __post_init__(self) -> None:
        if not self.thresholds or self.thresholds[-1] != 0.0:
            raise ValueError(f"the last threshold must be 0.0: {self.thresholds}")
        if not all(0.0 <= threshold < float("inf") for threshold in self.thresholds):
            raise ValueError(f"thresholds must be finite and not negative: {self.thresholds}")


@dataclass(frozen=True, slots=True)
class PolicyScore:
    """What a policy reaches: latencies in milliseconds for one image, accuracy as a fraction.

    `standard_error` belongs to `accuracy`. `latency_ms` and `macs` are the means over the images,
    `p95_ms` is what 95 % of them do not exceed, `worst_ms` what no image can exceed, on any data.
    `shares` are the fractions of images that leave at each exit.
    """

    policy: ExitPolicy
    accuracy: float
    standard_error: float
    latency_ms: float
    p95_ms: float
    worst_ms: float
    macs: float
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Who left where under several policies: `left` [policies, exits], `right` [policies].

    Both count images, `right` those whose answer was correct. Tallies over different images add.
    """

    left: IntArray
    right: IntArray

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.left + other.left, self.right + other.right)

    def accuracy(self) -> npt.NDArray[np.float64]:
        """Return the fraction of correct answers under each policy."""
        return np.asarray(self.right / self.left.sum(axis=1), dtype=np.float64)

    def mean(self, cost: Sequence[float]) -> npt.NDArray[np.float64]:
        """Return the mean cost of an image under each policy, given the cost of each exit."""
        return np.asarray(self.left @ np.asarray(cost, np.float64) / self.left.sum(axis=1))


def tally(held_out: HeldOut, thresholds: FloatArray) -> Tally:
    """Apply `thresholds` [policies, exits] to every image of `held_out`."""
    policies, exits = thresholds.shape
    confidence = np.ascontiguousarray(held_out.exact.T)
    correct = np.ascontiguousarray(held_out.correct.T)
    limits = thresholds.astype(confidence.dtype)
    left = np.zeros((policies, exits), np.int64)
    right = np.zeros(policies, np.int64)
    stays = np.ones((policies, held_out.images), np.bool_)
    for k in range(exits):
        leaves = stays if k == exits - 1 else stays & (confidence[k] >= limits[:, k, None])
        left[:, k] = np.count_nonzero(leaves, axis=1)
        right += np.count_nonzero(leaves & correct[k], axis=1)
        stays = stays ^ leaves
    return Tally(left, right)


def reachable_worst(thresholds: Sequence[float], exit_latency_ms: Sequence[float]) -> float:
    """Return the largest latency of an exit at which an image of any data may leave."""
    worst = 0.0
    for threshold, latency_ms in zip(thresholds, exit_latency_ms, strict=True):
        if threshold <= 1.0:
            worst = max(worst, float(latency_ms))
        if threshold <= 0.0:
            break
    return worst


def quantile(cost: Sequence[float], shares: Sequence[float], level: float) -> float:
    """Return the smallest of `cost` that a fraction `level` of the images does not exceed."""
    order = np.argsort(cost, kind="stable")
    # The tolerance keeps 0.95 reached when shares such as 0.65 + 0.3 add up to a hair less.
    reached = np.cumsum(np.asarray(shares)[order]) >= level - 1e-9
    return float(np.asarray(cost)[order[int(np.argmax(reached))]])


def standard_error(accuracy: float, images: int) -> float:
    """The binomial standard error of a fraction of right answers."""
    return float(np.sqrt(accuracy * (1.0 - accuracy) / images))


def summarise(
    policy: ExitPolicy,
    counts: Tally,
    row: int,
    exit_latency_ms: Sequence[float],
    exit_macs: Sequence[int],
    worst_ms: float,
) -> PolicyScore:
    """Return the score that row `row` of `counts` amounts to."""
    images = int(counts.left[row].sum())
    shares = tuple((counts.left[row] / images).tolist())
    accuracy = float(counts.right[row] / images)
    return PolicyScore(
        policy=policy,
        accuracy=accuracy,
        standard_error=standard_error(accuracy, images),
        latency_ms=float(np.dot(shares, exit_latency_ms)),
        p95_ms=quantile(exit_latency_ms, shares, 0.95),
        worst_ms=worst_ms,
        macs=float(np.dot(shares, exit_macs)),
        shares=shares,
    )


def restated(seen: PolicyScore, exit_latency_ms: Sequence[float]) -> PolicyScore:
    """Return a score with its latencies counted by these milliseconds of each exit."""
    if np.dot(seen.shares, exit_latency_ms) == seen.latency_ms:
        return seen
    return replace(
        seen,
        latency_ms=float(np.dot(seen.shares, exit_latency_ms)),
        p95_ms=quantile(exit_latency_ms, seen.shares, 0.95),
        worst_ms=reachable_worst(seen.policy.thresholds, exit_latency_ms),
    )


def score(
    policy: ExitPolicy,
    held_out: HeldOut,
    exit_latency_ms: Sequence[float],
    exit_macs: Sequence[int],
) -> PolicyScore:
    """Score `policy` on `held_out` as it is: no choice is made, nothing is swapped.

    The thresholds may come from other data. The standard error is the binomial one of the images.
    Raises ValueError if the policy has another number of exits.
    """
    if len(policy.thresholds) != held_out.exits:
        raise ValueError(f"{len(policy.thresholds)} thresholds for {held_out.exits} exits")
    counts = tally(held_out, np.array([policy.thresholds]))
    worst_ms = reachable_worst(policy.thresholds, exit_latency_ms)
    return summarise(policy, counts, 0, exit_latency_ms, exit_macs, worst_ms)
