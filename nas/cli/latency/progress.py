"""How a measurement says how far it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.progress import Progress

_LINES = 5
"""Of each kind of work where there is no terminal: a line at every fifth of it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One kind of work at one moment; ``done`` counts what is worth a line of its own."""

    done: int
    text: str

    def __str__(self) -> str:
        return self.text


class Told:
    """What a bench calls with (what, done, of); it shows that on a progress. clock: seconds."""

    def __init__(self, progress: "Progress", clock: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._clock = progress, clock
        self._what, self._since, self._lines = "", clock(), 0
        self._told: set[int] = set()

    def __call__(self, what: str, done: int, of: int) -> None:
        """Show it; a line of its own at every fifth."""
        if what != self._what:
            self._what, self._since = what, self._clock()
            self._told.clear()
        mark = min(done * _LINES // max(of, 1), _LINES)
        if mark and mark not in self._told:
            self._told.add(mark)
            self._lines += 1
        self._progress.show(Stage(self._lines, f"{what} {self._count(done, of)}"))

    def _count(self, done: int, of: int) -> str:
        from nas.progress import spoken

        if done > of:  # items whose rounds still differ get more of them
            return f"{done}, more than {of} until they agree"
        spent = self._clock() - self._since
        left = f" · {spoken(spent / done * (of - done))} left" if 0 < done < of else ""
        return f"{done}/{of}{left}"
