"""Memory of blocks that run one after another: reused, and never before the last reader."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from latency.runtimes.memory import ALIGNMENT, Array, Memory


@given(st.data())
def test_nobody_reads_what_another_has_written(data: st.DataObject) -> None:
    """Blocks of any graph, each fills its tensor with its own number; some tensors are kept."""
    count = data.draw(st.integers(1, 12))
    reads = [
        data.draw(st.lists(st.sampled_from(range(block)), max_size=3)) if block else []
        for block in range(count)
    ]
    kept = data.draw(st.sets(st.integers(0, count - 1)))
    memory = Memory([[str(each) for each in names] for names in reads], {str(k) for k in kept})
    tensors: list[Array] = []
    for block, names in enumerate(reads):
        shape = (1, data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4)))
        tensors.append(memory.take(str(block), shape))
        assert tensors[-1].shape == shape
        assert tensors[-1].ctypes.data % ALIGNMENT == 0
        tensors[-1][...] = block
        assert all((tensors[each] == each).all() for each in names)
        memory.read([str(each) for each in names])
    assert all((tensors[each] == each).all() for each in kept)


def test_a_chain_of_equal_tensors_lies_in_two_places() -> None:
    memory = Memory([["x"], *([str(block)] for block in range(9))], kept=())
    places = set()
    for block in range(10):
        places.add(memory.take(str(block), (3, 8, 8)).ctypes.data)
        memory.read(["x"] if not block else [str(block - 1)])
    assert len(places) == 2


def test_the_smallest_that_is_large_enough_is_taken() -> None:
    memory = Memory([[], [], [], ["large", "small", "tiny"]], kept=())
    sizes = {"large": (100,), "small": (20,), "tiny": (5,)}
    lent = {name: memory.take(name, shape) for name, shape in sizes.items()}
    memory.read(["large", "small", "tiny"])
    assert memory.take("next", (10,)).ctypes.data == lent["small"].ctypes.data
    assert not np.shares_memory(memory.take("huge", (500,)), lent["large"])
