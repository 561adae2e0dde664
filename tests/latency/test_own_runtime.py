"""The runtime of docs/own-device.md: what every runtime promises, and a phone it has not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from latency.bench import LocalBench
from latency.errors import LatencyError
from latency.lane import Lane
from latency.measuring import Measuring
from latency.runtimes.runtime import Runtime
from latency.source import LatencySource
from nas import plugins
from tests.docs.installed import installed
from tests.latency.test_runtimes import TestEveryPreparedWork as EveryPreparedWork
from tests.latency.test_sources import TestEveryRuntime as EveryRuntime


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with installed("own_runtime", tmp_path / "site"):
        bench = plugins.bench("openvino")
        assert isinstance(bench, LocalBench)
        yield bench.runtime


@pytest.fixture
def source(runtime: Runtime, tmp_path: Path) -> LatencySource:
    return Measuring(LocalBench(runtime, Lane(tmp_path / "lane")))


class TestOwnSource(EveryRuntime):
    def test_the_name_makes_the_same_source(self, source: LatencySource) -> None:
        assert "openvino" in plugins.names("runtimes")
        again = plugins.runtime("openvino")
        assert (again.name, again.device) == (source.name, source.device) == ("openvino", "cpu")


class TestOwnRuntime(EveryPreparedWork):
    pass


@pytest.mark.usefixtures("runtime")
def test_a_device_that_it_has_not_is_one_line() -> None:
    with pytest.raises(LatencyError, match="no device 'phone': choose cpu"):
        plugins.runtime("openvino", "phone")
