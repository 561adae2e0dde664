"""A device offered by a Ray node, here the only node."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from latency import canary
from latency.bench import Batch
from latency.errors import LatencyError
from latency.protocol import Protocol
from nas.errors import UserError
from nas.interruption import Stopped
from nas.latency import devices
from search_spaces.blocks import BlockGraph
from tests.nas import paced_runtime
from tests.nas.paced_runtime import order, piece, told

SHORT = Protocol(rounds=2, most_rounds=2)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Ray with a node that offers the device pi5, and where the runtime paced is installed."""
    from nas.executors import ray_session

    site = tmp_path_factory.mktemp("site")
    paced_runtime.install(site)
    before = ray_session._prepare_environment(own=True)
    folder = ray_session._private_folder()
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT}:{site}")
        ray_session._init(
            num_cpus=1,
            include_dashboard=False,
            object_store_memory=ray_session._OBJECT_STORE,
            resources={"nas_device:pi5": 1},
            _temp_dir=str(folder / "r"),
        )
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()
    ray_session._put_back(before)


@pytest.fixture
def paced(address: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Makes benches on pi5 whose runtime obeys orders in `tmp_path`."""
    from nas.executors.ray_bench import RayBench

    made = []

    def make(**options: Any) -> RayBench:
        made.append(RayBench("paced", f"ray:pi5:{tmp_path}", address, **options))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def one_exit() -> BlockGraph:
    """The canary as the network that it is."""
    (stage,) = canary.piece().stages
    return BlockGraph((3, 32, 32), 10, stage.nodes, (stage.nodes[-1].name,))


def sides(batch: Batch) -> list[float]:
    return [float(samples[0, 0, 0]) for samples in batch.taken.samples]


def ended(process: int) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_network_is_measured_there(address: str) -> None:
    with devices.opened("torch", "ray:pi5", address) as source:
        assert (source.name, source.device) == ("torch", "ray:pi5")
        source.protocol = SHORT
        (estimate,) = source.estimate(one_exit())
        assert 0 < estimate.low_ms <= estimate.latency_ms <= estimate.high_ms
        conditions = source.conditions()
        assert json.loads(json.dumps(conditions)) == conditions
        assert (conditions["runtime"], conditions["device"]) == ("torch", "ray:pi5")
        assert conditions["host"]["cores"] >= 1
        assert source.bench.heartbeat() > 0
        (row,) = devices.ray_devices(address)
        assert (row.device, row.state) == ("ray:pi5", "busy: in use by 1")
        assert row.runtimes.missing == (("all", "not asked while it is in use"),)


def test_a_free_device_tells_what_runs_there(address: str) -> None:
    end = time.monotonic() + 20  # Ray takes a moment to see that an agent has gone
    while (row := devices.ray_devices(address)[0]).state != "free" and time.monotonic() < end:
        time.sleep(0.2)
    assert row.state == "free"
    assert {"torch", "macs"} <= set(row.runtimes.made)
    assert row.use == f"--device ray:pi5 --ray-address {address}"


def test_callers_are_served_one_at_a_time(
    paced: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.executors.ray_bench._ASK_S", 0.1)
    order(tmp_path, slow=0.2)
    heard: list[str] = []
    benches = [paced(), paced()]
    with ThreadPoolExecutor() as pool:
        work = [
            pool.submit(bench.measure, [piece(1)] * 8, 0, None, lambda *said: heard.append(said[0]))
            for bench in benches
        ]
        assert [sides(each.result()) for each in work] == [[1.0] * 8] * 2
    processes = [process for process, _, _ in told(tmp_path)]
    assert len(set(processes)) == 2
    assert processes == sorted(processes, key=processes.index)  # one after the other
    assert {"waiting for a turn on ray:pi5", "preparing on ray:pi5"} <= {
        re.sub(r":pi5:.*", ":pi5", said) for said in heard
    }


def test_what_an_agent_died_of_is_measured_once_more(
    paced: Callable[..., Any], tmp_path: Path
) -> None:
    order(tmp_path, side=3, deaths=1)
    found = paced().measure([piece(side) for side in (5, 4, 3, 2, 1)], 0)
    assert sides(found) == [5, 4, 3, 2, 1]
    assert [side for _, side, _ in told(tmp_path) if side != 32] == [5, 4, 5, 4, 3, 2, 1]
    assert len({process for process, _, _ in told(tmp_path)}) == 2


def test_a_second_death_is_one_line(paced: Callable[..., Any], tmp_path: Path) -> None:
    order(tmp_path, side=3, deaths=2)
    bench = paced()
    with pytest.raises(LatencyError, match=r"^device 'pi5': died in the middle: [^\n]*$") as caught:
        bench.measure([piece(side) for side in (5, 4, 3, 2, 1)], 0)
    assert type(caught.value) is LatencyError  # the device itself lives
    assert sides(bench.measure([piece(3)], 0)) == [3]


def test_silence_ends_in_one_line_and_the_agent_with_it(
    paced: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = paced()
    bench.measure([piece(1)], 0)
    ((process, *_), *_) = told(tmp_path)
    order(tmp_path, slow=60)
    monkeypatch.setattr(bench, "_timeout_s", 0.5)
    with pytest.raises(LatencyError, match=r"^device 'pi5': did not answer in 0.5 s$"):
        bench.measure([piece(1)], 0)
    assert ended(process)


def test_a_slow_device_has_time_as_long_as_it_gets_on(
    paced: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.executors.ray_bench._ASK_S", 0.1)
    heard: list[tuple[str, int, int]] = []
    bench = paced()
    bench.measure([piece(1)], 0)
    order(tmp_path, slow=0.5)
    monkeypatch.setattr(bench, "_timeout_s", 2.0)
    found = bench.measure([piece(2)] * 8, 0, say=lambda *said: heard.append(said))
    assert sides(found) == [2] * 8
    assert len({done for said, done, of in heard if said.startswith("preparing")}) > 2


def test_who_wants_to_stop_does_not_wait(paced: Callable[..., Any], tmp_path: Path) -> None:
    def check() -> None:
        if order_given and len(told(tmp_path)) > 2:
            raise Stopped

    order_given = False
    bench = paced(check=check)
    bench.measure([piece(1)], 0)
    order(tmp_path, slow=60)
    order_given = True
    start = time.monotonic()
    with pytest.raises(Stopped):
        bench.measure([piece(1)], 0)
    assert time.monotonic() - start < 30
    assert ended(told(tmp_path)[0][0])


def test_what_is_wrong_there_is_one_line_and_the_agent_lives(
    paced: Callable[..., Any], tmp_path: Path
) -> None:
    order(tmp_path, refused=7)
    bench = paced()
    with pytest.raises(LatencyError, match=r"^device 'pi5': side 7 is refused$"):
        bench.measure([piece(7)], 0)
    assert sides(bench.measure([piece(6)], 0)) == [6]
    assert len({process for process, _, _ in told(tmp_path)}) == 1


def test_what_no_node_offers_is_one_line(address: str) -> None:
    with pytest.raises(LatencyError) as caught:
        devices.source("torch", "ray:pi6", address)
    assert str(caught.value) == "device 'pi6': no node offers it (there are: pi5)"
    with pytest.raises(LatencyError, match=r"^device 'pi5': unknown runtime 'torhc', did you mean"):
        devices.source("torhc", "ray:pi5", address)
    with pytest.raises(LatencyError, match="write ray:NAME, such as ray:pi5"):
        devices.source("torch", "ray:", address)
    with pytest.raises(LatencyError, match="simulated by a law"):
        devices.source("macs", "ray:pi5", address)
    with pytest.raises(UserError, match=r"^device 'ray:pi5' needs --ray-address HOST:PORT"):
        devices.source("torch", "ray:pi5")


def test_agents_share_a_gpu_that_ray_chooses() -> None:
    from nas.executors.device_agent import place
    from nas.executors.ray_bench import parsed

    assert parsed("ray:box:cuda") == ("box", "cuda")
    assert 0 < place("box", "cuda")["num_gpus"] < 0.01
    with pytest.raises(LatencyError, match=r"write ray:box:cuda$"):
        parsed("ray:box:cuda:1")
