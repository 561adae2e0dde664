"""Work that is prepared several times."""

import numpy as np
import pytest

from latency import campaign
from latency.bench import LocalBench
from latency.errors import LatencyError
from latency.protocol import Protocol, summarise
from latency.runtimes import copies
from latency.runtimes.runtime import Piece, Prepared
from search_spaces.blocks import BlockGraph
from tests.latency.faked import FakeRuntime, FakeTime, FakeWork


def test_rounds_take_turns_and_the_luckiest_copy_counts() -> None:
    time = FakeTime()
    ready = [FakeWork(str(ms), time, [(ms,)]) for ms in (1.3, 1.0, 1.2)]
    made = iter(ready)
    item = copies.prepared(lambda: next(made), 3)
    protocol = Protocol(rounds=6, warm_up=1, repeats=1)
    taken = campaign.run([item], protocol, np.random.default_rng(0))
    assert time.visits == ["1.3", "1.0", "1.2"] * 2
    (latency,) = summarise(taken.samples[0], taken.parts[0], protocol.quantile)
    assert latency.latency_ms == 1.0
    item.close()
    assert [each.closed for each in ready] == [1, 1, 1]


def test_the_noise_tells_how_much_it_matters_where_work_lies() -> None:
    ready = iter([FakeWork("lucky", FakeTime()), FakeWork("unlucky", FakeTime(), [(1.1,)])])
    item = copies.prepared(lambda: next(ready), 2)
    taken = campaign.run([item], Protocol(rounds=4), np.random.default_rng(0))
    assert taken.noises(0.0)[0] == pytest.approx(0.1)


def test_what_is_ready_is_closed_where_a_copy_fails() -> None:
    ready: list[FakeWork] = []

    def make() -> Prepared:
        if len(ready) == 2:
            raise LatencyError("no memory is left")
        ready.append(FakeWork("work", FakeTime()))
        return ready[-1]

    with pytest.raises(LatencyError, match="no memory"):
        copies.prepared(make, 3)
    assert [each.closed for each in ready] == [1, 1]


def test_a_bench_prepares_as_many_as_its_protocol_says(graph: BlockGraph) -> None:
    runtime = FakeRuntime(shares_host=False)
    protocol = Protocol(rounds=2, repeats=1, copies=2)
    LocalBench(runtime).measure([Piece.network(graph)], 0, protocol)
    assert len(runtime.prepared) == 4  # the canary too
    assert all(each.closed == 1 for each in runtime.prepared)
