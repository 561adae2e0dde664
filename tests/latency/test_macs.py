"""The simulated device is a law, the same everywhere."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency.macs import BYTES_PER_MS, MACS_PER_MS, OVERHEAD_MS, MacsLatency, stage_ms
from search_spaces.blocks import BlockGraph
from search_spaces.operators import Operator

GOLDEN = (0.10060746666666667, 0.20131173333333335, 0.30201600000000006)


def test_the_law_by_hand(make_graph: Callable[[int, int], BlockGraph]) -> None:
    (estimate,) = MacsLatency().estimate(make_graph(1, 4))
    pixels = 8 * 8
    macs = pixels * 4 * 3 * 9 + 4 * 5
    conv = pixels * (3 + 4) + 4 * 3 * 9
    norm = pixels * (4 + 4) + 2 * 4
    relu = pixels * (4 + 4)
    pool = pixels * 4 + 4
    linear = 4 + 5 + (4 * 5 + 5)
    moved = 4 * (conv + norm + relu + pool + linear)
    expected = 5 * OVERHEAD_MS + macs / MACS_PER_MS + moved / BYTES_PER_MS
    assert estimate.latency_ms == pytest.approx(expected, rel=1e-12)
    assert estimate.low_ms == estimate.high_ms == estimate.latency_ms
    assert estimate.how == "simulated"


def test_the_prices_are_those_of_the_first_version(graph: BlockGraph) -> None:
    figures = [estimate.latency_ms for estimate in MacsLatency().estimate(graph)]
    assert figures == pytest.approx(GOLDEN, rel=1e-12)


def test_the_seed_changes_nothing(graph: BlockGraph) -> None:
    assert MacsLatency().estimate(graph, seed=1) == MacsLatency().estimate(graph, seed=2)


def test_one_at_a_time_equals_all_at_once(
    make_graph: Callable[[int, int], BlockGraph],
) -> None:
    graphs = [make_graph(exits, 8) for exits in (1, 2, 4)]
    source = MacsLatency()
    assert source.estimate_many(graphs) == tuple(source.estimate(graph) for graph in graphs)


@given(channels=st.integers(1, 512), size=st.integers(1, 64), kernel=st.sampled_from((1, 3, 5)))
def test_more_work_takes_longer(channels: int, size: int, kernel: int) -> None:
    def conv(channels: int, size: int, kernel: int) -> Operator:
        return Operator(
            kind="conv",
            in_channels=channels,
            out_channels=channels,
            kernel=(kernel, kernel),
            input_size=(size, size),
            output_size=(size, size),
            parameters=channels * channels * kernel * kernel,
        )

    base = stage_ms([conv(channels, size, kernel)])
    assert base > OVERHEAD_MS
    assert base < stage_ms([conv(channels + 1, size, kernel)])
    assert base < stage_ms([conv(channels, size + 1, kernel)])
    assert base < stage_ms([conv(channels, size, kernel + 2)])
    assert stage_ms([conv(channels, size, kernel)] * 2) == pytest.approx(2 * base)
