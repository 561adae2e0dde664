"""Widths that bring a network to a number of MACs: one factor for all, then each by itself.

MACs over widths are a staircase, channels being whole numbers; each step of it that is looked at is
counted once and remembered, and the answer is the nearest of all that were counted.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from search_spaces.errors import SpaceError
from search_spaces.widths import scaled_value

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture, Decision, Option
    from search_spaces.space import SearchSpace

TOLERANCE = 0.03  # of the target: what is farther is said to be, and why
CLOSE = 0.005  # of the target: nobody needs it nearer, and proportions stay closer to the original
_NARROWEST, _WIDEST = 1e-4, 1e4  # factors
_RESOLUTION = 1e-4  # of a factor; two that are nearer give the same widths
_SPREADS = (0.25, 1.0, 4.0)  # how far a single width strays from the common factor
_BUDGET = 200  # networks counted for one target beyond those of the common factor


@dataclass(frozen=True, slots=True)
class Counted:
    """A network and its MACs up to the last exit."""

    architecture: "Architecture"
    macs: int


class WidthSearch:
    """The networks that differ from one in nothing but widths."""

    def __init__(
        self,
        space: "SearchSpace",
        architecture: "Architecture",
        macs: "Callable[[Architecture], int]",
    ) -> None:
        self._space, self._origin, self._macs = space, architecture, macs
        self._common = space.widths(architecture)
        self._widths = space.widths(architecture, fine=True)
        self._made: dict[tuple[Option, ...], Counted | None] = {}
        self._by_key: dict[str, Counted] = {}
        origin = Counted(architecture, macs(architecture))  # where it cannot be built, say so
        self._made[self._values(architecture)] = self._by_key[architecture.key] = origin

    def nearest(self, target: float) -> Counted:
        """Return the network whose MACs come nearest to the target, among all looked at."""
        if self._far(target, CLOSE) and (bracket := self._bracket(target)) is not None:
            self._cross(self._scaled, *bracket, target)
            self._refine(target)
        return self._best(target)

    def around(self, target: float) -> tuple[Counted | None, Counted | None]:
        """Return the nearest networks looked at that are not above and not below the target."""
        counted = sorted(self._by_key.values(), key=lambda each: each.macs)
        below = [each for each in counted if each.macs <= target]
        above = [each for each in counted if each.macs >= target]
        return below[-1] if below else None, above[0] if above else None

    def _best(self, target: float) -> Counted:
        return min(self._by_key.values(), key=lambda each: abs(each.macs - target))

    def _far(self, target: float, share: float) -> bool:
        return abs(self._best(target).macs - target) > share * target

    # One factor for all ---------------------------------------------------------------------------

    def _bracket(self, target: float) -> tuple[float, float] | None:
        """Return a factor below and one above the target; None where one end has none."""
        factor, at = 1.0, self._scaled(1.0)
        assert at is not None
        rising = at.macs < target
        while True:
            wanted = math.sqrt(target / max(1, at.macs))  # MACs grow with the square of widths
            step = min(max(1.1 * wanted, 1.25), 8.0) if rising else max(min(wanted / 1.1, 0.8), 0.1)
            further = factor * step
            found = self._scaled(further) if _NARROWEST < further < _WIDEST else None
            if found is None:
                return None
            if (found.macs >= target) == rising:
                return min(factor, further), max(factor, further)
            factor, at = further, found

    def _cross(
        self, made: Callable[[float], Counted | None], low: float, high: float, target: float
    ) -> None:
        """Look between a factor below and one above, down to two neighbours on the staircase."""
        for step in count():
            if high / low < 1 + _RESOLUTION or not self._far(target, CLOSE):
                return
            below, above = made(low), made(high)
            middle = low * (high / low) ** (_share(below, above, target) if step % 2 == 0 else 0.5)
            found = made(middle)
            if found is None or found.macs >= target:
                high = middle
            else:
                low = middle

    # Each width by itself -------------------------------------------------------------------------

    def _refine(self, target: float) -> None:
        """Vary single widths of the nearest networks; farther where the target needs it."""
        last = len(self._made) + _BUDGET
        for spread in _SPREADS:
            before = None
            while self._far(target, CLOSE) and before != (before := self._best(target)):
                for start in self.around(target):
                    for width in self._widths:
                        if start is None or not self._far(target, CLOSE) or len(self._made) > last:
                            break
                        self._vary(start, width, spread, target)
            if not self._far(target, TOLERANCE):
                return

    def _vary(self, start: Counted, width: "Decision", spread: float, target: float) -> None:
        """Move one width of a network towards the target and, where it passes it, look between."""
        value = start.architecture[width.name]
        narrow, wide = _ends(value, spread)
        made = self._with_one(start, width)
        if start.macs < target:
            if (found := made(wide)) is not None and found.macs >= target:
                self._cross(made, 1.0, wide, target)
        elif narrow < 1 and (found := made(narrow)) is not None and found.macs < target:
            self._cross(made, narrow, 1.0, target)

    # Networks -------------------------------------------------------------------------------------

    def _scaled(self, factor: float) -> Counted | None:
        origin = self._origin
        return self._with(
            {d.name: scaled_value(d, origin[d.name], factor) for d in self._common}, origin
        )

    def _with_one(self, start: Counted, width: "Decision") -> Callable[[float], Counted | None]:
        """Return what makes of a factor the network with this one width multiplied by it."""
        base = start.architecture

        def made(factor: float) -> Counted | None:
            return self._with({width.name: scaled_value(width, base[width.name], factor)}, base)

        return made

    def _with(self, widths: "dict[str, Option]", base: "Architecture") -> Counted | None:
        """Count a network, once; None where widths do not go together."""
        chosen = base.decisions() | widths
        values = tuple(chosen[d.name] for d in self._widths)
        if values not in self._made:
            try:
                self._made[values] = self._counted(self._space.point(chosen))
            except SpaceError:
                self._made[values] = None
        return self._made[values]

    def _counted(self, architecture: "Architecture") -> Counted:
        if architecture.key not in self._by_key:
            counted = Counted(architecture, self._macs(architecture))
            self._by_key[architecture.key] = counted
        return self._by_key[architecture.key]

    def _values(self, architecture: "Architecture") -> "tuple[Option, ...]":
        return tuple(architecture[d.name] for d in self._widths)


def _share(below: Counted | None, above: Counted | None, target: float) -> float:
    """Where between the logarithms of two factors the target lies, if MACs follow a power law."""
    if below is None or above is None or not 0 < below.macs < above.macs:
        return 0.5
    share = math.log(target / below.macs) / math.log(above.macs / below.macs)
    return min(max(share, 0.05), 0.95)


def _ends(value: "Option", spread: float) -> tuple[float, float]:
    """Return the factors between which a single width may move, by a channel at least."""
    narrow, wide = 1 / (1 + spread), 1 + spread
    if isinstance(value, int) and value > 0:
        narrow, wide = min(narrow, (value - 1) / value), max(wide, (value + 1) / value)
    return max(narrow, _NARROWEST), wide
