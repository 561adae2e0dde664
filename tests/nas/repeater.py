"""A controller that wants the first network again after each new one."""

from typing import Any

import numpy as np
import pytest

from controllers.candidates import draw
from controllers.from_record import Again, FromRecord
from controllers.table import CONTROLLERS


class Repeater(FromRecord):
    def propose(self, history: Any, rng: np.random.Generator) -> Any:
        if history.number % 2:
            return Again(history.lessons[0].architecture)
        return draw(history.space, rng)


def repeater(space: Any, cost: Any, seed: int) -> Repeater:
    return Repeater("repeater", space, cost, seed)


@pytest.fixture
def repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller can be asked for by its name."""
    monkeypatch.setitem(CONTROLLERS, "repeater", f"{__name__}:repeater")
