from typing import Any

import numpy as np
import pytest

from latency.errors import LatencyError
from latency.model import drawing, fitting
from nas import plugins


class Dice:
    """A search space of six networks, as far as drawing goes."""

    name = "dice"

    def sample(self, rng: np.random.Generator) -> Any:
        architecture = plugins.space("resnet").published
        return architecture[sorted(architecture)[int(rng.integers(6))]]


def test_no_network_is_drawn_twice() -> None:
    drawn = drawing.distinct(Dice(), 5, np.random.default_rng(0))  # type: ignore[arg-type]
    assert len({each.key for each in drawn}) == len(drawn) == 5


def test_a_space_that_has_no_more_gives_what_it_has() -> None:
    drawn = drawing.distinct(Dice(), 20, np.random.default_rng(0))  # type: ignore[arg-type]
    assert len({each.key for each in drawn}) == len(drawn) == 6


def test_more_samples_than_a_space_has_networks_are_refused() -> None:
    bench: Any = None  # nothing is measured
    with pytest.raises(LatencyError, match="space dice has hardly more than 6 networks"):
        fitting.fit(bench, Dice(), (3, 8, 8), 10, samples=9)  # type: ignore[arg-type]
