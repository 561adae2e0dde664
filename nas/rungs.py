"""Successive halving without waiting: ASHA (Li et al., MLSys 2020, arXiv 1810.05934, algorithm 2).

Every network trains to the first rung. One of `reduction` networks, the best there so far, goes on
to the next rung, which is `reduction` times as many epochs away; the others stop, and are taken up
where they stopped as soon as enough others turn out to be worse.

Never do more than one of `reduction` go on, also where each newcomer is the best so far, as with a
controller that learns: it then waits for others (D-ASHA: Li et al., Hyper-Tune, VLDB 2022,
arXiv 2201.06834). ASHA itself would train most of such networks to the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from controllers import dominance
from nas.errors import UserError


@dataclass(frozen=True, slots=True)
class Rungs:
    """epochs: after which networks are compared, rising. last: epochs of a whole training."""

    epochs: tuple[int, ...]
    last: int
    reduction: int

    @classmethod
    def full(cls, last: int) -> "Rungs":
        """No comparisons: every network trains to the end."""
        return cls((), last, 2)

    @classmethod
    def asha(cls, last: int, grace: int, reduction: int) -> "Rungs":
        """At `grace`, `grace * reduction`... epochs. Raises UserError where that leaves no rung."""
        if grace >= last:
            raise UserError(
                f"grace {grace}: networks are compared after so many epochs of {last}, "
                f"so it must be below {last} (or fidelity full)"
            )
        epochs, at = [], grace
        while at < last:
            epochs.append(at)
            at *= reduction
        return cls(tuple(epochs), last, reduction)

    def after(self, epochs: int) -> int:
        """Where a training that has so many epochs behind it is judged next."""
        return next((each for each in self.epochs if each > epochs), self.last)


@dataclass(frozen=True, slots=True)
class _Entry:
    network: int
    values: tuple[float, ...]
    goes_on: bool


class Ladder:
    """What networks were worth at each rung, in the order in which they came there.

    A network is named by the number of its first trial. values: turned, so that higher is better.
    """

    def __init__(self, rungs: Rungs, signs: Sequence[float]) -> None:
        """signs: 1 for an objective to maximise, -1 for one to minimise."""
        self._rungs, self._signs = rungs, tuple(signs)
        self._entries: dict[int, list[_Entry]] = {epochs: [] for epochs in rungs.epochs}

    def add(self, network: int, epochs: int, values: Sequence[float], goes_on: bool) -> None:
        """A network came to a rung with these values, as they are told; whether it went on."""
        self._entries.setdefault(epochs, []).append(self._entry(network, values, goes_on))

    def may_go_on(self, network: int, epochs: int, values: Sequence[float]) -> bool:
        """Whether a network that comes to a rung with these values is among its best."""
        there = self._entries.get(epochs, [])
        return network in self._best([*there, self._entry(network, values, False)])

    def promote(self, network: int, epochs: int) -> None:
        """A network that stopped at a rung goes on after all."""
        entries = self._entries[epochs]
        at = next(i for i, each in enumerate(entries) if each.network == network)
        entries[at] = _Entry(network, entries[at].values, True)

    def next(self) -> tuple[int, int] | None:
        """A network that stopped and is among the best by now, and its rung; the highest first."""
        for epochs in reversed(self._rungs.epochs):
            entries = self._entries[epochs]
            stopped = {each.network for each in entries if not each.goes_on}
            for network in self._best(entries):
                if network in stopped:
                    return network, epochs
        return None

    def _entry(self, network: int, values: Sequence[float], goes_on: bool) -> _Entry:
        turned = tuple(sign * value for sign, value in zip(self._signs, values, strict=True))
        return _Entry(network, turned, goes_on)

    def _best(self, entries: list[_Entry]) -> list[int]:
        """The networks of a rung that may go on, the best first; none while enough have."""
        count = len(entries) // self._rungs.reduction
        if count <= sum(each.goes_on for each in entries):
            return []
        order = dominance.order(np.array([each.values for each in entries]))
        return [entries[at].network for at in order[:count]]
