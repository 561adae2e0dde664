"""Early exits as they run: image after image, each leaving at the exit that suits it.

Loops that always take the same exit are optimistic: they find the weights of the exit's last blocks
in the caches, where images that leave now here, now there find them cold. So one campaign runs the
network in a mixed order of exits, drawn once by their shares, and in the same rounds the loops
too. Mixed and fixed figures are sums over parts of low quantiles, as all latencies of this package,
of equally many samples (see ``latency.mixed_order``).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from latency.bench import Bench, Say, silent
from latency.errors import LatencyError
from latency.mixed_order import ALL, STATISTIC, Ordered, Values, drawn, halves_differ, quantile
from latency.protocol import Protocol
from latency.runtimes.runtime import Piece
from search_spaces.blocks import BlockGraph

PASSES = 40
"""Passes of the mixed order, unless asked otherwise."""
ROUNDS = 24
"""Rounds at least, unless asked otherwise."""
FIXED_PASSES = 4
"""Passes in a row of a loop that always takes the same exit."""


@dataclass(frozen=True, slots=True)
class Ran:
    """Passes as they ran, disturbances included, in milliseconds."""

    mean_ms: float
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class MixedExit:
    """One exit, counted from 1, taken by a share of the images.

    latency_ms: undisturbed, in the mixed order; fixed_ms: in a loop that takes no other exit.
    noise, fixed_noise: by how much even and odd rounds differ, relative. ran: all its mixed passes.
    Where no image takes the exit, there are no mixed figures (None).
    """

    exit: int
    share: float
    latency_ms: float | None
    noise: float | None
    fixed_ms: float
    fixed_noise: float
    ran: Ran | None


@dataclass(frozen=True, slots=True)
class Mix:
    """Milliseconds of an image: the mean, what 95 % of images do not exceed, and the slowest.

    noise: by how much ``expected_ms`` differs between even and odd rounds, relative.
    """

    expected_ms: float
    p95_ms: float
    worst_ms: float
    noise: float


@dataclass(frozen=True, slots=True)
class ExitProfile:
    """A network with early exits in use, on a device.

    undisturbed: what the mixed order costs, on the scale of all latencies of this package; its
    ``worst_ms`` covers exits that no image takes, by their loops. as_it_ran: all passes of the
    mixed order with whatever disturbed them. fixed: what loops of one exit make of the same shares.
    """

    device: str
    runtime: str
    exits: tuple[MixedExit, ...]
    undisturbed: Mix
    as_it_ran: Mix
    fixed: Mix
    facts: dict[str, Any]

    @property
    def optimism(self) -> float:
        """By which share the loops understate the expected latency."""
        return 1 - self.fixed.expected_ms / self.undisturbed.expected_ms

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        exits = [asdict(each) for each in self.exits]
        return {**asdict(self), "exits": exits, "optimism": self.optimism}


def usual(protocol: Protocol) -> Protocol:
    """Return a runtime's protocol with as many rounds as mixed orders get."""
    return replace(protocol, most_rounds=max(ROUNDS, protocol.most_rounds))


def measure(
    bench: Bench,
    graph: BlockGraph,
    shares: Sequence[float],
    passes: int = PASSES,
    seed: int = 0,
    protocol: Protocol | None = None,
    say: Say = silent,
) -> ExitProfile:
    """Measure a network whose images leave at its exits in ``shares``, which add up to 1.

    ``passes``: of the mixed order, in each of the protocol's ``most_rounds`` rounds. ``seed`` draws
    the order, weights and image. Raises LatencyError for other shares, fewer than 2 rounds or no
    pass, and as the bench does.
    """
    shares = checked(shares, len(graph.exits))
    if protocol is None:
        protocol = usual(bench.protocol)
    rounds = protocol.most_rounds
    if passes < 1 or rounds < 2:
        raise LatencyError(f"{passes} passes in {rounds} rounds: at least 1 and 2 are needed")
    # One sample of each pass in every round: a low quantile of more samples would be lower.
    protocol = replace(protocol, warm_up=1, repeats=1, rounds=rounds)
    orders = [drawn(shares, passes, np.random.default_rng(seed))]
    orders += [(stages,) * FIXED_PASSES for stages in range(1, len(shares) + 1)]
    pieces = [Piece.network(graph, order=order) for order in orders]
    batch = bench.measure(pieces, seed, protocol, say)
    mixed, *fixed = (
        Ordered(samples, parts, order, protocol.quantile)
        for samples, parts, order in zip(
            batch.taken.samples, batch.taken.parts, orders, strict=True
        )
    )
    statistic = STATISTIC.format(quantile=protocol.quantile)
    return ExitProfile(
        bench.device,
        bench.name,
        tuple(_exit(k, share, mixed, fixed[k]) for k, share in enumerate(shares)),
        _undisturbed(shares, mixed, fixed),
        _as_it_ran(shares, mixed),
        _fixed(shares, fixed),
        {**protocol.facts(), **batch.facts, "statistic": statistic, "order": list(orders[0])},
    )


def _exit(k: int, share: float, mixed: Ordered, fixed: Ordered) -> MixedExit:
    def in_loop(rounds: slice) -> float:
        return float(fixed.undisturbed(rounds).mean())

    def in_mix(rounds: slice) -> float:
        return float(mixed.undisturbed(rounds)[places].mean())

    places = mixed.at(k + 1)
    loop = (in_loop(ALL), halves_differ(in_loop))
    if not len(places):
        return MixedExit(k + 1, share, None, None, *loop, None)
    ran = mixed.as_they_ran()[:, places]
    spread = Ran(float(ran.mean()), float(np.median(ran)), float(np.quantile(ran, 0.95)))
    return MixedExit(k + 1, share, in_mix(ALL), halves_differ(in_mix), *loop, spread)


def _undisturbed(shares: Sequence[float], mixed: Ordered, fixed: Sequence[Ordered]) -> Mix:
    weights, times = mixed.weights(shares), mixed.undisturbed()
    unused = [fixed[k].undisturbed().mean() for k, share in enumerate(shares) if not share]
    return Mix(
        float(weights @ times),
        quantile(times, weights, 0.95),
        float(max([*times, *unused])),
        halves_differ(lambda rounds: float(weights @ mixed.undisturbed(rounds))),
    )


def _as_it_ran(shares: Sequence[float], mixed: Ordered) -> Mix:
    weights, times = mixed.weights(shares), mixed.as_they_ran()
    means: Values = times @ weights
    return Mix(
        float(means.mean()),
        quantile(times.ravel(), np.tile(weights, len(times)), 0.95),
        float(times.max()),
        halves_differ(lambda rounds: float(means[rounds].mean())),
    )


def _fixed(shares: Sequence[float], fixed: Sequence[Ordered]) -> Mix:
    def times(rounds: slice) -> Values:
        return np.array([loop.undisturbed(rounds).mean() for loop in fixed])

    weights = np.array(shares)
    return Mix(
        float(weights @ times(ALL)),
        quantile(times(ALL), weights, 0.95),
        float(times(ALL).max()),
        halves_differ(lambda rounds: float(weights @ times(rounds))),
    )


def checked(shares: Sequence[float], exits: int) -> tuple[float, ...]:
    """Return shares that add up to 1. Raises LatencyError where they are none of so many exits."""
    given = ", ".join(f"{share:g}" for share in shares)
    if len(shares) != exits:
        raise LatencyError(f"{len(shares)} shares ({given}) for {exits} exits: give one for each")
    if not all(0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 0.01:
        raise LatencyError(f"no shares of images: {given}; each is in 0..1, and they add up to 1")
    return tuple(float(share / sum(shares)) for share in shares)
