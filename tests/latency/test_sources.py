"""What every runtime of the table promises."""

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from latency import sources
from latency.errors import LatencyError
from latency.source import LatencyEstimate, LatencySource
from search_spaces.blocks import BlockGraph

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=sorted(sources.RUNTIMES))
def source(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LatencySource:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return sources.make(request.param)


def check(estimates: tuple[LatencyEstimate, ...], exits: int) -> None:
    assert len(estimates) == exits
    for estimate in estimates:
        assert 0 < estimate.low_ms <= estimate.latency_ms <= estimate.high_ms < math.inf
        assert estimate.how in ("measured", "simulated", "predicted")
    for before, after in pairwise(estimates):
        assert before.latency_ms < after.latency_ms
        assert before.low_ms < after.low_ms
        assert before.high_ms < after.high_ms


class TestEveryRuntime:
    def test_estimates_grow_over_the_exits(self, source: LatencySource, graph: BlockGraph) -> None:
        check(source.estimate(graph), exits=3)

    def test_a_single_exit_is_enough(
        self, source: LatencySource, make_graph: Callable[[int, int], BlockGraph]
    ) -> None:
        check(source.estimate(make_graph(1, 4)), exits=1)

    def test_many_networks_keep_their_order(
        self, source: LatencySource, make_graph: Callable[[int, int], BlockGraph]
    ) -> None:
        exits = (3, 1, 2)
        many = source.estimate_many([make_graph(count, 4) for count in exits], seed=7)
        assert len(many) == len(exits)
        for estimates, count in zip(many, exits, strict=True):
            check(estimates, count)

    def test_no_networks_give_no_estimates(self, source: LatencySource) -> None:
        assert source.estimate_many([]) == ()

    def test_conditions_are_json_and_name_what_a_figure_holds_for(
        self, source: LatencySource, graph: BlockGraph
    ) -> None:
        for _ in range(2):  # before a measurement and after it
            conditions = source.conditions()
            assert json.loads(json.dumps(conditions)) == conditions
            assert conditions["runtime"] == source.name
            assert conditions["device"] == source.device
            assert conditions["batch"] == 1
            assert conditions["statistic"]
            source.estimate(graph)

    def test_the_name_makes_the_same_source(self, source: LatencySource) -> None:
        assert type(sources.make(source.name, source.device)) is type(source)


def test_an_unknown_runtime_gets_the_list_in_one_line() -> None:
    with pytest.raises(LatencyError) as error:
        sources.make("tensorflow")
    assert str(error.value) == "no runtime 'tensorflow': choose one of torch, macs"


def test_an_unknown_device_gets_the_list_in_one_line() -> None:
    with pytest.raises(LatencyError) as error:
        sources.make("torch", "toaster")
    assert str(error.value) == "runtime 'torch' has no device 'toaster': choose one of cpu"


def test_every_runtime_has_devices() -> None:
    assert sources.DEVICES.keys() == sources.RUNTIMES.keys()


def test_the_table_and_the_lane_are_light() -> None:
    code = (
        "import sys, latency.sources, latency.lane, latency.protocol; print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
