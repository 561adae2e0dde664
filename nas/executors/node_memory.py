"""What is left of the memory of each node beside its workers and what they train."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nas.executors.protocol import ALONE


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is: its process, and Ray's name of its node.

    memory: bytes that it has taken, once warm. free: bytes that others could have taken then.
    """

    pid: int
    node: str
    memory: int
    free: int


class NodeMemory:
    """Of the nodes that a search trains on. What may be taken is what the first worker found."""

    def __init__(self) -> None:
        self._all: dict[str, int] = {}

    def join(self, place: Place) -> None:
        """A worker has become ready; another one may be training there."""
        found = place.free + place.memory
        self._all[place.node] = max(found, self._all.get(place.node, 0))

    def best(
        self,
        free: Sequence[str],
        workers: Iterable[Place],
        taken: Iterable[tuple[str, int]],
        memory: int,
    ) -> int | None:
        """Which of the workers that are free a training of so many bytes should have, if any.

        free: their nodes. workers: all that are ready. taken: by each training under way, and
        where. A node on which nothing is trained always has room, or a training that is larger
        than all nodes would wait for ever.
        """
        left = self._left(workers, taken)
        busy = {node for node, _ in taken}
        rooms = [
            (ALONE - memory if node not in busy else left[node] - memory, at)
            for at, node in enumerate(free)
        ]
        room, at = max(rooms, default=(-1, 0))
        return at if room >= 0 else None

    def _left(
        self, workers: Iterable[Place], taken: Iterable[tuple[str, int]]
    ) -> Mapping[str, int]:
        left = dict(self._all)
        for worker in workers:
            left[worker.node] -= worker.memory
        for node, memory in taken:
            left[node] -= memory
        return left
