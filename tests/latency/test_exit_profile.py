"""Early exits in a mixed order, on devices where loops of one exit are known to be optimistic."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from latency.errors import LatencyError
from latency.exit_profile import ExitProfile, measure
from latency.mixed_order import Ordered, drawn, quantile
from latency.protocol import Protocol
from latency.runtimes.in_order import InOrder
from search_spaces.blocks import BlockGraph
from search_spaces.msd import MSD
from tests.latency.faked import FakeTime, FakeWork
from tests.latency.simulated import Disturbed, Law, Simulated

SHARES = (0.5, 0.3, 0.2)
CACHE = Law(cache_bytes=5e6)
SLOW = Disturbed(slow=0.6, preemptions=200)


@pytest.fixture(scope="module")
def network() -> BlockGraph:
    """Three exits, and 4.9 MB of weights: a loop finds them all in the cache, a mix does not."""
    rng = np.random.default_rng(0)
    drawn = (MSD.blocks(MSD.sample(rng), (3, 32, 32), 10) for _ in range(100))
    return next(g for g in drawn if len(g.exits) == 3 and Law().exits_ms(g)[-1] > 3)


def profile(graph: BlockGraph, law: Law, disturbed: Disturbed, **options: Any) -> ExitProfile:
    return measure(Simulated(law, disturbed, seed=5).bench(), graph, SHARES, **options)


class TestMeasured:
    def test_loops_are_optimistic_where_the_cache_is_small(self, network: BlockGraph) -> None:
        found = profile(network, CACHE, Disturbed(noise=0.0))
        assert found.fixed.expected_ms < found.undisturbed.expected_ms
        assert found.optimism > 0.005
        assert found.exits[-1].latency_ms > 1.02 * found.exits[-1].fixed_ms  # type: ignore[operator]
        law = CACHE.exits_ms(network)
        assert found.exits[-1].fixed_ms == pytest.approx(law[-1])

    def test_order_makes_no_difference_without_a_cache(self, network: BlockGraph) -> None:
        found = profile(network, Law(), Disturbed(noise=0.0))
        assert found.optimism == pytest.approx(0.0, abs=1e-9)
        assert [each.latency_ms for each in found.exits] == pytest.approx(Law().exits_ms(network))
        for mix in (found.undisturbed, found.as_it_ran, found.fixed):
            assert mix.expected_ms == pytest.approx(np.dot(SHARES, Law().exits_ms(network)))
            assert mix.p95_ms == pytest.approx(Law().exits_ms(network)[-1])
            assert mix.worst_ms == pytest.approx(Law().exits_ms(network)[-1])

    def test_disturbances_are_seen_through_and_shown(self, network: BlockGraph) -> None:
        quiet = profile(network, CACHE, Disturbed(noise=0.0))
        found = profile(network, CACHE, SLOW)
        for one, other in zip(found.exits, quiet.exits, strict=True):
            assert one.latency_ms == pytest.approx(other.latency_ms, rel=0.01)
            assert one.fixed_ms == pytest.approx(other.fixed_ms, rel=0.01)
        assert found.undisturbed.expected_ms == pytest.approx(
            quiet.undisturbed.expected_ms, rel=0.01
        )
        assert found.undisturbed.noise < 0.01
        assert found.optimism == pytest.approx(quiet.optimism, abs=0.005)
        assert found.as_it_ran.expected_ms > 1.3 * found.undisturbed.expected_ms
        assert found.as_it_ran.worst_ms > found.as_it_ran.p95_ms > found.undisturbed.p95_ms

    def test_an_exit_that_nobody_takes_has_its_loop_alone(self, network: BlockGraph) -> None:
        device = Simulated(CACHE)
        found = measure(device.bench(), network, (0.6, 0.4, 0.0), passes=5)
        last = found.exits[-1]
        assert (last.latency_ms, last.noise, last.ran) == (None, None, None)
        assert found.undisturbed.worst_ms == pytest.approx(last.fixed_ms)
        assert found.fixed.worst_ms == pytest.approx(last.fixed_ms)

    def test_the_profile_is_json_and_repeats_by_seed(self, network: BlockGraph) -> None:
        one, same, other = (
            profile(network, CACHE, SLOW, seed=seed, passes=10).as_json() for seed in (1, 1, 2)
        )
        for each in (one, same, other):
            for name in ("seconds", "load_before", "load_after", "preemptions"):
                del each["facts"][name]
        assert json.loads(json.dumps(one)) == one == same
        assert one["facts"]["order"] != other["facts"]["order"]

    def test_all_figures_are_of_equally_many_samples(self, network: BlockGraph) -> None:
        restless = Protocol(rounds=2, most_rounds=6, tolerance=0.0, repeats=5)
        found = profile(network, CACHE, SLOW, passes=10, protocol=restless)
        assert found.facts["rounds"] == [6] * 4
        assert found.facts["repeats"] == 1


class TestMistakes:
    @pytest.mark.parametrize(
        ("shares", "said"),
        [
            ((1.0,), r"1 shares \(1\) for 3 exits: give one for each"),
            ((0.5, 0.5, 0.5), "no shares of images: 0.5, 0.5, 0.5; each is in 0..1, and they add"),
            ((1.5, -0.5, 0.0), "no shares of images: 1.5, -0.5, 0; each"),
            ((float("nan"), 0.5, 0.5), "no shares of images: nan"),
        ],
    )
    def test_shares(self, graph: BlockGraph, shares: tuple[float, ...], said: str) -> None:
        with pytest.raises(LatencyError, match=f"^{said}"):
            measure(Simulated().bench(), graph, shares)

    def test_no_passes(self, graph: BlockGraph) -> None:
        with pytest.raises(LatencyError, match=r"^0 passes in 24 rounds: at least 1 and 2 are"):
            measure(Simulated().bench(), graph, SHARES, passes=0)

    def test_one_round(self, graph: BlockGraph) -> None:
        with pytest.raises(LatencyError, match=r"^40 passes in 1 rounds"):
            measure(Simulated().bench(), graph, SHARES, protocol=replace(Protocol(), most_rounds=1))

    def test_a_device_that_times_each_stage_by_itself(self) -> None:
        work = FakeWork("a", FakeTime())
        work.consecutive = False
        with pytest.raises(LatencyError, match="times every stage by itself"):
            InOrder(work, (1,))


class TestOrders:
    def test_every_pass_runs_so_many_stages(self) -> None:
        work = FakeWork("a", FakeTime(), ((1.0, 2.0), (4.0,), (8.0,)))
        mixed = InOrder(work, (1, 3, 2))
        assert mixed.parts == (2, 4, 3)
        assert mixed.run(3) == [1, 2, 1, 2, 4, 8, 1, 2, 4]
        assert mixed.run(1) == [1, 2]
        mixed.close()
        assert work.closed == 1

    @pytest.mark.parametrize("passes", [1, 3, 10, 40])
    def test_exits_come_by_their_shares(self, passes: int) -> None:
        shares = (0.6, 0.0, 0.39, 0.01)
        order = drawn(shares, passes, np.random.default_rng(0))
        for stages, share in enumerate(shares, 1):
            count = order.count(stages)
            assert count == 0 if share == 0 else count >= 1
            assert abs(count - share * passes) <= 1
        assert order != tuple(sorted(order)) or passes < 10

    def test_places_keep_their_own_low_quantile(self) -> None:
        # The second place is dear in every round (its caches are cold), the first one in some.
        samples = np.array([[[1.0, 5.0]], [[9.0, 6.0]]])
        mixed = Ordered(samples, (1, 1), (1, 1), 0.0)
        assert mixed.undisturbed().tolist() == [1.0, 5.0]
        assert mixed.as_they_ran().tolist() == [[1.0, 5.0], [9.0, 6.0]]
        assert mixed.weights((1.0,)).tolist() == [0.5, 0.5]

    def test_quantiles_are_weighted(self) -> None:
        values, weights = np.array([3.0, 1.0, 2.0]), np.array([0.05, 0.65, 0.3])
        assert [quantile(values, weights, level) for level in (0.5, 0.95, 0.96)] == [1, 2, 3]
