"""Ray nodes on this machine, as those of a cluster, for the time of some tests."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def started(*paths: Path) -> Iterator[Any]:
    """A head with a core; `add_node` of what is given adds others. paths: for imports there."""
    from nas.executors import ray_session

    before = ray_session._prepare_environment(own=True)
    folder = ray_session._private_folder()
    from ray.cluster_utils import Cluster

    head = {
        "num_cpus": 1,
        "include_dashboard": False,
        "object_store_memory": ray_session._OBJECT_STORE,
        "temp_dir": str(folder / "r"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ":".join(map(str, (ROOT, *paths))))
        # A cluster writes its address where others of this machine look for one.
        patch.setenv("RAY_TMPDIR", str(folder))
        (folder / "ray").mkdir()
        made = Cluster(initialize_head=True, head_node_args=head)
        yield made
        made.shutdown()
    ray_session._put_back(before)


def add(cluster: Any, cores: int, **resources: float) -> Any:
    """Add a node to it."""
    from nas.executors import ray_session

    store = ray_session._OBJECT_STORE
    return cluster.add_node(num_cpus=cores, object_store_memory=store, resources=resources)
