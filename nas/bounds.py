"""Hard bounds: what a network may need at most if it is to be trained."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.settings import SearchSettings

_WORDS = {
    "latency_ms": "{:.4g} ms to its last exit, over {:.4g} ms",
    "parameters": "{:,} parameters, over {:,}",
    "macs": "{:,} MACs, over {:,}",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most of each; None for no bound. Latency and MACs are those to the last exit."""

    latency_ms: float | None = None
    parameters: int | None = None
    macs: int | None = None

    @classmethod
    def of(cls, settings: "SearchSettings") -> "Bounds":
        """Return those of a search."""
        return cls(settings.max_latency, settings.max_parameters, settings.max_macs)

    def excesses(self, latency_ms: float, parameters: int, macs: int) -> dict[str, float]:
        """By which part a network exceeds each bound: 0.1 for a tenth, 0 or below within it.

        A latency that is not known (NaN) exceeds none.
        """
        needs = {"latency_ms": latency_ms, "parameters": parameters, "macs": macs}
        return {name: needs[name] / most - 1 for name, most in self._known(needs).items()}

    def beyond(self, latency_ms: float, parameters: int, macs: int) -> str:
        """Say which bounds a network exceeds and by how much; empty within all of them."""
        needs = {"latency_ms": latency_ms, "parameters": parameters, "macs": macs}
        return " and ".join(
            _WORDS[name].format(needs[name], most)
            for name, most in self._known(needs).items()
            if needs[name] > most
        )

    def _known(self, needs: Mapping[str, float]) -> dict[str, float]:
        """The bounds on what is known of a network."""
        bounds = {name: getattr(self, name) for name in needs}
        return {n: most for n, most in bounds.items() if most is not None and needs[n] == needs[n]}


def violation(excesses: Mapping[str, float]) -> float:
    """Return one number for all bounds: 0 within them."""
    return math.fsum(max(0.0, excess) for excess in excesses.values())
