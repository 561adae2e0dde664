"""A device on a second Ray node, which leaves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from latency.bench import DeviceLost
from latency.errors import LatencyError
from tests.nas import local_cluster, paced_runtime
from tests.nas.paced_runtime import order, piece, told

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Any]:
    """A head with a core, and a node beside it that offers the device pi5 and no core."""
    paced_runtime.install(tmp_path / "site")
    with local_cluster.started(tmp_path / "site") as made:
        made.pi5 = local_cluster.add(made, 0, **{"nas_device:pi5": 1})
        yield made


def test_a_node_that_leaves_takes_its_device_along(cluster: Any, tmp_path: Path) -> None:
    from nas.executors.ray_bench import RayBench

    bench = RayBench("paced", f"ray:pi5:{tmp_path}", cluster.address)
    try:
        assert bench.fingerprint()["device"].startswith("ray:pi5")
        order(tmp_path, slow=2)
        with ThreadPoolExecutor() as pool:
            work = pool.submit(bench.measure, [piece(side) for side in (5, 4, 3, 2, 1)], 0)
            while not (tmp_path / "told").exists() or 3 not in {each[1] for each in told(tmp_path)}:
                assert not work.done(), work.result()
            cluster.remove_node(cluster.pi5)
            with pytest.raises(DeviceLost, match=r"^device 'pi5': its node has left Ray$"):
                work.result(timeout=120)
        with pytest.raises(LatencyError, match=r"^device 'pi5': no node offers it"):
            RayBench("paced", "ray:pi5", cluster.address)
    finally:
        bench.close()
