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
        known = self._known(latency_ms, parameters, macs)
        return {name: need / most - 1 for name, need, most in known}

    def beyond(self, latency_ms: float, parameters: int, macs: int) -> str:
        """Say which bounds a network exceeds and by how much; empty within all of them."""
        known = self._known(latency_ms, parameters, macs)
        return " and ".join(
            _WORDS[name].format(need, most) for name, need, most in known if need > most
        )

    def _known(
        self, latency_ms: float, parameters: int, macs: int
    ) -> list[tuple[str, float, float]]:
        """Of each bound on what is known of a network: its name, what is needed, the most."""
        needs = {"latency_ms": latency_ms, "parameters": parameters, "macs": macs}
        bounds = [(name, need, getattr(self, name)) for name, need in needs.items()]
        return [each for each in bounds if each[2] is not None and not math.isnan(each[1])]


def violation(excesses: Mapping[str, float]) -> float:
    """Return one number for all bounds: 0 within them."""
    return math.fsum(max(0.0, excess) for excess in excesses.values())
