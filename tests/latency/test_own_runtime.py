"""The runtime of docs/own-device.md: what every runtime promises, and a phone it has not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from latency.errors import LatencyError
from latency.source import LatencySource
from nas import plugins
from tests.docs.installed import installed
from tests.latency.test_sources import TestEveryRuntime as EveryRuntime

pytest.importorskip("onnxruntime")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[LatencySource]:
    with installed("own_runtime", tmp_path / "site"):
        yield plugins.runtime("onnxruntime")


class TestOwnRuntime(EveryRuntime):
    def test_the_name_makes_the_same_source(self, source: LatencySource) -> None:
        assert plugins.names("runtimes") == ("torch", "macs", "onnxruntime")
        assert (source.name, source.device) == ("onnxruntime", "cpu")


@pytest.mark.usefixtures("source")
def test_a_device_that_it_has_not_is_one_line() -> None:
    with pytest.raises(LatencyError, match="no device 'phone': choose cpu"):
        plugins.runtime("onnxruntime", "phone")
