"""Proposals kept within hard bounds, for samplers that know of none."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from controllers.candidates import nearest
from controllers.protocols import violation

if TYPE_CHECKING:
    from controllers.protocols import Cost, Space

ASKED = 50
"""Times that a sampler is asked before what lies near its last proposal is taken."""

SURE = 3
"""Times that it says the same before it is believed to have nothing else to say."""


def within(
    space: "Space", cost: "Cost | None", propose: Callable[[int], Mapping[str, Any]]
) -> Mapping[str, Any]:
    """The first of `propose(0)`, `propose(1)`... within the bounds, or what is nearest to the last.

    Where nothing near it is, the last itself: whoever trains knows the bounds too.
    """
    seen: Counter[str] = Counter()
    for turn in range(ASKED):
        choices = propose(turn)
        architecture = space.architecture(choices)
        if violation(cost, architecture) <= 0:
            return choices
        seen[architecture.key] += 1
        if seen[architecture.key] == SURE:
            break
    found = nearest(space, architecture, partial(violation, cost))
    return choices if found is None else space.parameters(found)
