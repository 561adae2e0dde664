"""Trainings beside each other take no more memory than there is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nas import plugins
from nas.executors.node_memory import NodeMemory, Place
from nas.executors.protocol import ALONE, Done
from nas.faults import Fault
from nas.packing import Packing
from nas.training.memory_need import training_bytes
from nas.training.memory_peak import Peak
from nas.training.trial import TrialJob, TrialOutcome
from tests.nas.table_search import Heard, Table, loop_of, made_run, small  # noqa: F401

BATCH = 4


@pytest.mark.parametrize("name", ["msd", "resnet", "mnasnet", "densenet", "shufflenet"])
def test_the_estimate_is_near_what_autograd_keeps(name: str) -> None:
    space = plugins.space(name)
    image = (3, 32, 32)
    architecture = space.sample(np.random.default_rng(0))
    network = space.build(architecture, image, 10, 0, False).train()
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        answers = network(torch.randn(BATCH, *image))
    assert all(answer.requires_grad for answer in answers)
    estimate = training_bytes(space.blocks(architecture, image, 10), BATCH)
    assert 0.8 < estimate / sum(kept.values()) < 4.0


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux can tell")
def test_a_peak_is_what_was_taken_at_once_and_given_back_since() -> None:
    size = 100_000_000
    peak = Peak("cpu")
    for _ in range(3):
        torch.ones(size // 4).sum().item()
    found = peak.bytes
    assert found is not None
    assert 0.9 * size < found < 2 * size
    after = Peak("cpu").bytes
    assert after is not None
    assert after < size / 2


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux can tell")
def test_a_file_that_is_mapped_is_no_part_of_a_peak(tmp_path: Path) -> None:
    size = 100_000_000
    (tmp_path / "images").write_bytes(bytes(size))
    peak = Peak("cpu")
    images = torch.from_file(str(tmp_path / "images"), shared=True, size=size, dtype=torch.uint8)
    assert images.max() == 0
    found = peak.bytes
    assert found is not None
    assert found < size / 2


NODES = st.sampled_from(["a", "b", "c"])


@given(
    st.lists(st.tuples(NODES, st.integers(0, 5), st.integers(5, 50)), min_size=1, max_size=6),
    st.lists(st.integers(0, 60), max_size=20),
)
def test_no_node_is_promised_twice(found: list[tuple[str, int, int]], trainings: list[int]) -> None:
    places = [Place(pid, node, own, free) for pid, (node, own, free) in enumerate(found)]
    memory, taken, idle = NodeMemory(), [], list(places)
    for place in places:
        memory.join(place)
    for need in trainings:
        at = memory.best([each.node for each in idle], places, taken, need)
        if at is not None:
            taken.append((idle.pop(at).node, need))
    for node in {place.node for place in places}:
        there = [place for place in places if place.node == node]
        has = max(place.free + place.memory for place in there)
        used = [need for at, need in taken if at == node]
        assert len(used) < 2 or sum(used) <= has - sum(place.memory for place in there)


def test_a_training_goes_where_most_is_left_and_the_largest_where_nothing_is_trained() -> None:
    memory = NodeMemory()
    places = [Place(0, "small", 1, 10), Place(1, "large", 1, 30), Place(2, "large", 1, 29)]
    for place in places:
        memory.join(place)
    both, nodes = ["small", "large"], [("large", 20)]
    assert memory.best(both, places, nodes, 5) == 0
    assert memory.best(["large"], places, nodes, 9) == 0
    assert memory.best(["large"], places, nodes, 10) is None
    assert memory.best(both, places, nodes, ALONE) == 0
    assert memory.best(both, places, [*nodes, ("small", ALONE)], 1) == 1
    assert memory.best(["small"], places, [*nodes, ("small", ALONE)], 1) is None


@dataclass(frozen=True)
class Training:
    memory: int
    alone: bool = False


@dataclass(frozen=True)
class Ended:
    peak: int


class Node(Table):
    """All workers on one node of `memory` bytes."""

    def __init__(self, memory: int, peak: int | None, failing: frozenset[int] = frozenset()):
        super().__init__(capacity=3)
        self.memory, self.peak, self.out = memory, peak, failing
        self.taken: dict[int, int] = {}
        self.side_by_side: list[dict[int, int]] = []

    def fits(self, memory: int) -> bool:
        return not self.taken or sum(self.taken.values()) + memory <= self.memory

    def submit(self, job: TrialJob, begun: bytes | None = None, memory: int = 0) -> None:
        assert self.fits(memory)
        super().submit(job, begun, memory)
        self.taken[job.number] = memory
        self.side_by_side.append(dict(self.taken))

    def completed(self, timeout: float) -> list[Done]:
        ended = super().completed(timeout)
        for at, done in enumerate(ended):
            del self.taken[done.number]
            if done.number in self.out:
                self.out -= {done.number}
                ended[at] = Done(done.number, None, Fault("oom", "MemoryError"))
            elif done.outcome is not None:
                ended[at] = Done(done.number, with_peak(done.outcome, self.peak), None)
        return ended


def with_peak(outcome: TrialOutcome, peak: int | None) -> TrialOutcome:
    names = [name for name in TrialOutcome.__slots__ if name != "peak"]
    return TrialOutcome(**{name: getattr(outcome, name) for name in names}, peak=peak)


def searched(path: Path, node: Node, trials: int = 8) -> Node:
    run = made_run(path, trials=trials, controller="random")
    loop_of(run).go(node)
    assert sum(record.state == "complete" for record in run.records()) == trials
    return node


def test_as_many_are_trained_at_once_as_fit(tmp_path: Path) -> None:
    roomy = searched(tmp_path / "roomy", Node(1 << 50, None))
    assert max(map(len, roomy.side_by_side)) == 3
    two = searched(tmp_path / "two", Node(150_000_000, None))
    assert max(map(len, two.side_by_side)) == 2
    none = searched(tmp_path / "none", Node(0, None))
    assert max(map(len, none.side_by_side)) == 1


def test_who_waits_is_said_once(tmp_path: Path) -> None:
    heard = Heard()
    run = made_run(tmp_path, trials=4, controller="random")
    loop_of(run, progress=heard).go(Node(0, None))
    said = [line for line in heard.lines if "needs" in line]
    assert said == [
        f"trial {number} needs some 0.1 GB: it waits until others have ended"
        for number in (1, 2, 3)
    ]


def test_what_trainings_took_is_expected_of_the_next(tmp_path: Path) -> None:
    node = searched(tmp_path, Node(1 << 50, 2_000_000_000), trials=12)
    first, last = node.side_by_side[0], node.side_by_side[-1]
    assert max(first.values()) < 100_000_000
    assert max(last.values()) > 1_000_000_000


def test_small_networks_do_not_tell_what_large_ones_take() -> None:
    packing = Packing(str)
    little, large = Training(30_000_000), Training(4_000_000_000)
    first = packing.need(large)  # type: ignore[arg-type]
    for peak in (10_000_000, 250_000_000):
        packing.learn(little, Ended(peak))  # type: ignore[arg-type]
    assert 250_000_000 < packing.need(little) < 350_000_000  # type: ignore[arg-type]
    assert first < packing.need(large) < 1.1 * first  # type: ignore[arg-type]
    packing.learn(large, Ended(1_000_000_000))  # type: ignore[arg-type]
    assert packing.need(large) > large.memory  # type: ignore[arg-type]
    packing.learn(large, Ended(8_000_000_000))  # type: ignore[arg-type]
    assert 8_000_000_000 < packing.need(large) < 10_000_000_000  # type: ignore[arg-type]


def test_nobody_is_said_to_wait_while_no_worker_is_free(tmp_path: Path) -> None:
    class Short(Node):
        """No worker is free while one is under way, whatever memory there is."""

        def fits(self, memory: int) -> bool:
            return not self.taken

        @property
        def capacity(self) -> int:
            return max(1, len(self.taken))

        @capacity.setter
        def capacity(self, value: int) -> None:
            pass

    heard = Heard()
    run = made_run(tmp_path, trials=4, controller="random")
    loop_of(run, progress=heard).go(Short(1 << 50, None))
    assert not [line for line in heard.lines if "needs" in line]


def test_what_found_too_little_is_trained_beside_nothing(tmp_path: Path) -> None:
    node = searched(tmp_path, Node(1 << 50, None, frozenset({2})))
    again = [each for each in node.side_by_side if ALONE in each.values()]
    assert again == [{2: ALONE}]
