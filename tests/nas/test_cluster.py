"""A search on three Ray nodes with its record in PostgreSQL: one node dies, another one joins."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.run import Run, open_run
from nas.store import read
from tests.nas import local_cluster, postgres_server

pytestmark = pytest.mark.slow
TRIALS = 40
NAS = "import sys; from nas.cli.main import main; sys.exit(main())"


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head and two nodes with a core each."""
    with local_cluster.started() as made:
        made.others = [local_cluster.add(made, 1) for _ in range(2)]
        yield made


class Search:
    """`nas search` in a process of its own, with what it says."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", NAS, *command],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=local_cluster.ROOT,
            start_new_session=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, done: int) -> None:
        """Returns when so many trials have ended."""
        ends = time.monotonic() + 600
        while self.done < done:
            assert self._process.poll() is None, self.said
            assert time.monotonic() < ends, self.said
            time.sleep(0.1)

    @property
    def done(self) -> int:
        """How many trials have ended, by its own line."""
        told = re.findall(rf"^(\d+)/{TRIALS} trials", self.said, re.MULTILINE)
        return int(told[-1]) if told else 0

    @property
    def said(self) -> str:
        return "\n".join(self.lines)

    def end(self) -> int:
        """Waits for its end; its exit code."""
        code = self._process.wait(timeout=900)
        self._reader.join()
        return code

    def kill(self) -> None:
        """Ends it and all its processes without a word."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self.end()

    def _read(self) -> None:
        assert self._process.stderr is not None
        self.lines.extend(line.rstrip() for line in self._process.stderr)


def command(out: Path, address: str, storage: str) -> list[str]:
    return [
        "search", "--space", "msd", "--data", "digits", "--limit", "200", "--epochs", "3",
        "--trials", str(TRIALS), "--controller", "random", "--runtime", "macs", "--max-macs", "20M",
        "--target-latency", "2ms", "--workers", "3", "--ray-address", address, "--storage", storage,
        "--precision", "float32", "--name", "run", "--out", str(out),
    ]  # fmt: skip


def check(run: Run, storage: str) -> None:
    """Nothing is lost, and nothing trained twice."""
    rows, records = read(storage, run.name), run.records()
    counted = [record for record in records if record.is_counted]
    assert len(counted) == TRIALS
    assert {record.state for record in counted} <= {"complete"}
    assert not [row for row in rows if not row.state.is_finished()]
    trained = [r.architecture.key for r in counted if r.reused_from is None and r.architecture]
    assert len(set(trained)) == len(trained)
    assert {r.measurement.epochs for r in counted if r.measurement} == {3}
    assert not list((run.path / "checkpoints").glob("*"))


@pytest.mark.parametrize("gracefully", [False, True])
def test_a_node_dies_and_another_one_joins(cluster: Any, tmp_path: Path, gracefully: bool) -> None:
    with postgres_server.server() as server:
        storage = server.create("cluster")
        search = Search(*command(tmp_path, cluster.address, storage))
        search.until(8)
        cluster.remove_node(cluster.others[0], allow_graceful=gracefully)
        struck = time.monotonic()
        search.until(search.done + 4)
        assert time.monotonic() - struck < 60, search.said
        new = local_cluster.add(cluster, 1)
        search.until(TRIALS - 5)
        assert busy(cluster, new), "the new node trains nothing"
        assert search.end() == 0, search.said
        assert "is tried again" in search.said
        check(open_run(tmp_path / "run"), storage)


def test_a_search_whose_head_died_goes_on_elsewhere(cluster: Any, tmp_path: Path) -> None:
    with postgres_server.server() as server:
        storage = server.create("cluster")
        search = Search(*command(tmp_path, cluster.address, storage))
        search.until(8)
        cluster.shutdown()
        assert search.end() in (1, 2), search.said  # Ray may be faster to end the process than we
        assert "Traceback" not in search.said
        run = open_run(tmp_path / "run")
        before = {r.trial: r.measurement for r in run.records() if r.state == "complete"}
        assert len(before) >= 8
        settings = (run.path / "search.yaml").read_text()
        (run.path / "search.yaml").write_text(
            re.sub("ray_address: .*", "ray_address: null", settings)
        )
        again = Search("resume", "run", "--out", str(tmp_path))
        assert again.end() == 0, again.said
        check(open_run(tmp_path / "run"), storage)


def busy(cluster: Any, node: Any) -> bool:
    """Whether a core of a node is taken, which a worker that trains does."""
    import ray
    from ray._private.state import available_resources_per_node

    ray.init(address=cluster.address, namespace="test", logging_level="ERROR")
    try:
        return available_resources_per_node()[node.node_id].get("CPU", 0) == 0
    finally:
        ray.shutdown()
