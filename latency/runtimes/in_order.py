"""A network that is run as it is in use: passes that leave at different exits, in a given order."""

from collections.abc import Sequence

from latency.errors import LatencyError
from latency.runtimes.runtime import Prepared


class InOrder(Prepared):
    """Passes of one prepared network as one item: pass i runs its first ``order[i]`` stages.

    Each pass is a stage of the item, so its parts are those of the network up to that exit. The
    order is the same in every visit: each pass finds the caches as the same passes before it left
    them, which makes its times in different rounds samples of one quantity. The network is closed
    with it.
    """

    def __init__(self, network: Prepared, order: Sequence[int]) -> None:
        """Raises LatencyError where the stages of a network are not run one after another."""
        if not network.consecutive:
            raise LatencyError(
                "this device times every stage by itself: passes that leave at different exits "
                "cannot be mixed on it"
            )
        assert all(1 <= stages <= len(network.parts) for stages in order), "no such exit"
        self._network, self._order = network, tuple(order)
        self.parts = tuple(sum(network.parts[:stages]) for stages in order)

    def run(self, stages: int) -> list[float]:
        return [ms for leave in self._order[:stages] for ms in self._network.run(leave)]

    def close(self) -> None:
        self._network.close()
