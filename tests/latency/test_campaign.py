"""A campaign: who is visited when, how often, and when it ends."""

import gc
from collections.abc import Callable

import numpy as np
import pytest

from latency import campaign
from latency.protocol import PATIENT_S, Protocol, Visit, summarise
from tests.latency.faked import FakeTime, FakeWork


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def in_rounds(visits: list[str], size: int) -> list[list[str]]:
    return [visits[start : start + size] for start in range(0, len(visits), size)]


def test_samples_and_their_summary(time: FakeTime, rng: np.random.Generator) -> None:
    protocol = Protocol(rounds=4, warm_up=2, repeats=3)
    items = [
        FakeWork("a", time, [(1.0, 1.0), (2.0,)]),
        FakeWork("b", time, [(1.5, 0.5), (0.5,), (0.25,)]),
    ]
    taken = campaign.run(items, protocol, rng)
    assert [samples.shape for samples in taken.samples] == [(4, 3, 3), (4, 3, 4)]
    assert taken.parts == ((2, 1), (2, 1, 1))
    assert taken.noises(protocol.quantile).tolist() == [0.0, 0.0]
    assert len(taken.canary) == 0
    estimates = summarise(taken.samples[1], taken.parts[1], protocol.quantile)
    assert [each.latency_ms for each in estimates] == pytest.approx([2.0, 2.5, 2.75])


def test_each_round_visits_everybody_in_a_new_order(
    time: FakeTime, rng: np.random.Generator
) -> None:
    items = [FakeWork(name, time) for name in "abcd"]
    campaign.run(items, Protocol(rounds=3), rng)
    rounds = in_rounds(time.visits, 4)
    assert len(rounds) == 3
    assert all(sorted(visited) == list("abcd") for visited in rounds)
    assert len({tuple(visited) for visited in rounds}) > 1


def test_the_seed_draws_the_orders() -> None:
    def order(seed: int) -> list[str]:
        time = FakeTime()
        items = [FakeWork(name, time) for name in "abcdef"]
        campaign.run(items, Protocol(rounds=3), np.random.default_rng(seed))
        return time.visits

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_every_visit_warms_up_again(time: FakeTime, rng: np.random.Generator) -> None:
    items = [FakeWork(name, time) for name in "ab"]
    campaign.run(items, Protocol(rounds=2, warm_up=3, repeats=2), rng)
    probes = 1 + campaign.PROBES
    set_up, timed = time.passes[: 2 * probes], time.passes[2 * probes :]
    assert set_up == ["a"] * probes + ["b"] * probes
    assert [set(passes) for passes in in_rounds(timed, 5)] == [{name} for name in time.visits]


def test_slow_items_are_passed_less_often(time: FakeTime, rng: np.random.Generator) -> None:
    items = [FakeWork("fast", time, [(0.6,)]), FakeWork("slow", time, [(300.0,)])]
    protocol = Protocol(rounds=2, warm_up=3, repeats=5, visit_ms=40.0)
    fast, slow = campaign.run(items, protocol, rng).samples
    assert fast.shape == (2, 5, 1)
    assert slow.shape == (2, 1, 1)
    assert time.passes.count("slow") == 1 + campaign.PROBES + 2 * 2


def test_a_pass_that_was_interrupted_costs_its_item_no_samples(
    time: FakeTime, rng: np.random.Generator
) -> None:
    protocol = Protocol(rounds=2, warm_up=3, repeats=5, visit_ms=40.0)
    slow_at_first = (9.0, 9.0, 9.0)
    items = [FakeWork("calm", time), FakeWork("interrupted", time, in_passes=slow_at_first)]
    calm, interrupted = campaign.run(items, protocol, rng).samples
    assert calm.shape == interrupted.shape == (2, 5, 1)


def test_programs_of_their_own_are_started_once_to_see_how_long_they_take(
    time: FakeTime, rng: np.random.Generator
) -> None:
    program = FakeWork("program", time)
    program.consecutive = False
    campaign.run([program], Protocol(rounds=1, warm_up=1, repeats=1), rng)
    assert len(time.passes) == 1 + 2


@pytest.mark.parametrize(("restless", "rounds"), [(1, 7), (3, 9)])
def test_rounds_go_on_until_nine_in_ten_agree(
    time: FakeTime, rng: np.random.Generator, restless: int, rounds: int
) -> None:
    items = [
        # Rounds 1, 3, 5 are slow: halves differ until round 7 gives the slow half its floor.
        *(
            FakeWork(f"late {n}", time, factors=(1.3, 1.0, 1.3, 1.0, 1.3, 1.0, 1.0))
            for n in range(9)
        ),
        *(FakeWork(f"never {n}", time, factors=(1.3, 1.0) * 9) for n in range(restless)),
        FakeWork("calm", time),
    ]
    protocol = Protocol(rounds=4, most_rounds=9, tolerance=0.02)
    taken = campaign.run(items, protocol, rng)
    assert {len(samples) for samples in taken.samples} == {rounds}  # the same for all
    noises = taken.noises(protocol.quantile)
    assert max(noises[:9]) <= 0.02
    assert noises[9] == pytest.approx(0.3)
    assert noises[-1] == 0


def test_a_single_round_has_no_halves(time: FakeTime, rng: np.random.Generator) -> None:
    taken = campaign.run([FakeWork("a", time)], Protocol(rounds=1, most_rounds=5), rng)
    assert len(taken.samples[0]) == 1
    assert np.isnan(taken.noises(0.0)).all()


def test_as_many_rounds_as_wanted_are_run(time: FakeTime, rng: np.random.Generator) -> None:
    taken = campaign.run([FakeWork("a", time)], Protocol(rounds=20, most_rounds=12), rng)
    assert len(taken.samples[0]) == 20


@pytest.mark.parametrize(
    ("items", "at"), [(1, [0, 1, 2]), (2, [0, 1, 3]), (26, [0, 9, 19]), (100, [0, 26, 52, 78])]
)
def test_the_canary_is_visited_again_and_again(
    time: FakeTime, rng: np.random.Generator, items: int, at: list[int]
) -> None:
    work = [FakeWork(f"item{index}", time) for index in range(items)]
    taken = campaign.run(work, Protocol(rounds=3), rng, FakeWork("canary", time, [(0.5, 0.25)]))
    for visited in in_rounds(time.visits, items + len(at)):
        assert [place for place, name in enumerate(visited) if name == "canary"] == at
    assert taken.canary.tolist() == [0.75] * (3 * len(at) * 3)
    assert len(taken.samples) == items


def test_rounds_begin_apart(time: FakeTime, rng: np.random.Generator) -> None:
    begun: list[float] = []
    item = FakeWork("a", time, [(100.0,)])

    def note(done: int) -> None:
        begun.append(time.now_s)

    protocol = Protocol(rounds=3, warm_up=1, repeats=3, visit_ms=400.0, apart_s=2.0)
    campaign.run([item], protocol, rng, None, note, time, time.sleep)
    assert sorted(set(np.round(np.diff(begun), 6))) == [0.4, 0.6, 1.0]
    # In pieces, that a user who wants to stop is heard; and none after the last round.
    assert time.slept == pytest.approx([1.0, 0.6, 1.0, 0.6])


def test_the_canary_wakes_the_processor_after_a_wait(
    time: FakeTime, rng: np.random.Generator
) -> None:
    item, canary = FakeWork("a", time, [(500.0,)]), FakeWork("canary", time, [(10.0,)])
    protocol = Protocol(rounds=2, warm_up=1, repeats=1, visit_ms=1000.0, apart_s=4.0)
    taken = campaign.run([item], protocol, rng, canary, print, time, time.sleep)
    asleep = 4.0 - 1.0 - 3 * 0.05 - campaign.WAKING_S
    assert sum(time.slept) == pytest.approx(asleep)
    assert len(taken.canary) == 2 * 3 * 3  # Waking is not timed.


def test_a_canary_that_is_a_program_wakes_nobody(time: FakeTime, rng: np.random.Generator) -> None:
    item, canary = FakeWork("a", time), FakeWork("canary", time)
    canary.consecutive = False
    campaign.run([item], Protocol(rounds=2, apart_s=4.0), rng, canary, print, time, time.sleep)
    assert sum(time.slept) > 3.9


def test_rounds_that_are_long_enough_do_not_wait(time: FakeTime, rng: np.random.Generator) -> None:
    item = FakeWork("a", time, [(1500.0,)])
    campaign.run([item], Protocol(rounds=2, apart_s=2.0), rng, None, print, time, time.sleep)
    assert time.slept == []


def test_patient_rounds_are_spread_and_those_added_are_not(rng: np.random.Generator) -> None:
    protocol = Protocol(rounds=10, most_rounds=14, apart_s=0.1).patient()
    assert protocol.over_s == PATIENT_S
    assert [protocol.pause_s(done) for done in (1, 9)] == [PATIENT_S / 10] * 2
    assert [protocol.pause_s(done) for done in (10, 13)] == [0.1] * 2
    computed = Protocol(rounds=10)
    assert computed.patient() == computed


def test_what_is_raised_between_rounds_ends_it(time: FakeTime, rng: np.random.Generator) -> None:
    told: list[int] = []

    def stop(done: int) -> None:
        told.append(done)
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        campaign.run([FakeWork("a", time)], Protocol(rounds=9), rng, None, stop)
    assert told == [1, 2]
    assert len(time.visits) == 2


def test_nothing_to_visit_is_no_error(rng: np.random.Generator, time: FakeTime) -> None:
    taken = campaign.run([], Protocol(), rng, FakeWork("canary", time))
    assert taken.samples == ()
    assert time.visits == []


class Watching(FakeWork):
    """Notes whether the garbage collector is on while it runs."""

    seen: bool | None = None

    def visit(self, visit: Visit, stages: int | None = None) -> list[list[float]]:
        self.seen = gc.isenabled()
        raise ZeroDivisionError


@pytest.mark.parametrize("switch", [gc.enable, gc.disable])
def test_the_garbage_collector_stands_still(
    switch: Callable[[], None], time: FakeTime, rng: np.random.Generator
) -> None:
    was, item = gc.isenabled(), Watching("a", time)
    try:
        switch()
        before = gc.isenabled()
        with pytest.raises(ZeroDivisionError):
            campaign.run([item], Protocol(), rng)
        assert (item.seen, gc.isenabled()) == (False, before)
    finally:
        (gc.enable if was else gc.disable)()
