"""What every latency source of the table promises."""

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from latency import sources
from latency.bench import LocalBench
from latency.errors import LatencyError
from latency.measuring import Measuring
from latency.source import LatencyEstimate, LatencySource
from search_spaces.blocks import BlockGraph
from tests.latency import available
from tests.latency.faked import FakeRuntime

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=available.params(simulated=True))
def source(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LatencySource:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = sources.make(*request.param)
    if isinstance(source, Measuring):  # rounds need not lie apart where figures do not matter
        source.protocol = replace(source.protocol, apart_s=0.0)
    return source


def check(estimates: tuple[LatencyEstimate, ...], exits: int) -> None:
    assert len(estimates) == exits
    for estimate in estimates:
        assert 0 < estimate.low_ms <= estimate.latency_ms <= estimate.high_ms < math.inf
        assert estimate.how in ("measured", "simulated")
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
            assert conditions["batch"] >= 1
            assert conditions["statistic"]
            source.estimate(graph)

    def test_the_name_makes_the_same_source(self, source: LatencySource) -> None:
        again = sources.make(source.name, source.device)
        assert (again.name, again.device) == (source.name, source.device)
        assert type(again) is type(source)


def test_what_every_machine_has_is_among_them() -> None:
    found = {pair for pair in available.every_pair() if available.refusal(*pair) is None}
    assert found >= available.ALWAYS


@pytest.mark.parametrize("pair", list(available.every_pair()), ids=":".join)
def test_what_this_machine_has_not_is_told_in_one_line(pair: tuple[str, str]) -> None:
    refused = available.refusal(*pair)
    assert refused is None or (refused and "\n" not in refused)


def test_an_unknown_runtime_gets_the_list_in_one_line() -> None:
    with pytest.raises(LatencyError) as error:
        sources.make("tensorflow")
    listed = ", ".join(sources.RUNTIMES)
    assert str(error.value) == f"no runtime 'tensorflow': choose one of {listed}"


@pytest.mark.parametrize("device", ["toaster", "", "simulated:1:2", "CPU"])
def test_an_unknown_device_gets_the_list_in_one_line(device: str) -> None:
    listed = ", ".join(sources.RUNTIMES["torch"])
    with pytest.raises(LatencyError) as error:
        sources.make("torch", device)
    assert str(error.value) == f"runtime 'torch' has no device {device!r}: choose one of {listed}"


def test_a_law_has_no_bench() -> None:
    with pytest.raises(LatencyError, match="'macs' is simulated by a law"):
        sources.bench("macs")


def test_the_table_and_the_lane_are_light() -> None:
    code = (
        "import sys, latency.sources, latency.lane, latency.protocol; print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


def test_a_measuring_source_tells_how_it_went(graph: BlockGraph) -> None:
    source = Measuring(LocalBench(FakeRuntime(shares_host=False)))
    assert source.conditions()["last"] is None
    assert [each.latency_ms for each in source.estimate(graph)] == [2.0, 4.0, 6.0]
    conditions = source.conditions()
    assert {"cpu", "caches", "governor", "kernel"} <= conditions["host"].keys()
    assert (conditions["rounds"], conditions["quantile"]) == (3, 0.0)
    assert conditions["last"]["noise"] == [0.0]
    assert conditions["last"]["items"] == 1
