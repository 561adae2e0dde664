"""Rows in which agreement is a product."""

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from controllers.encoding import Encoder
from controllers.plain_space import PlainSpace
from tests.controllers.simulated import ToySpace

MIXED: dict[str, BaseDistribution] = {
    "operator": CategoricalDistribution(["conv", "pool", "none"]),
    "width": CategoricalDistribution([16, 24, 32, 64]),
    "codes": CategoricalDistribution([7, 1, 4]),
    "depth": IntDistribution(1, 5),
    "rate": FloatDistribution(0.1, 1.0),
}


def rows(*choices: tuple[object, ...]) -> np.ndarray:
    space = PlainSpace(MIXED)
    given = [space.architecture(dict(zip(MIXED, each, strict=True))) for each in choices]
    encoded = Encoder(space)(given)
    parts = []
    for decision in range(len(MIXED)):
        part = encoded.choices[:, encoded.decision == decision]
        parts.append(part @ part.T)
    return np.array(parts)


def test_a_decision_agrees_with_itself_by_one_and_numbers_with_their_like() -> None:
    base = ("conv", 16, 7, 1, 0.1)
    products = rows(base, ("pool", 24, 1, 2, 0.1), ("none", 64, 4, 5, 1.0))
    np.testing.assert_allclose([np.diag(part) for part in products], 1.0)
    operator, width, codes, depth, rate = products
    # Words agree or do not, and so do numbers that neither rise nor fall: they are names.
    for names in (operator, codes):
        np.testing.assert_allclose(names, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(width[0], [1, 1 / 3, 0], atol=1e-12)
    np.testing.assert_allclose(depth[0], [1, 3 / 8, 0], atol=1e-12)
    np.testing.assert_allclose(rate[0], [1, 1, 0], atol=1e-12)


def test_inactive_decisions_agree_with_each_other_alone() -> None:
    space = ToySpace()
    choices = {
        "width": 16,
        "op": "conv",
        "expansion": 3,
        "groups": 2,
        "attention": False,
        "depth": 1,
    }
    one, two = (space.architecture(choices | {"op": op}) for op in ("conv", "mbconv"))
    encoded = Encoder(space)([one, two])
    groups = encoded.choices[:, encoded.decision == list(choices).index("groups")]
    expansion = encoded.choices[:, encoded.decision == list(choices).index("expansion")]
    assert groups[0] @ groups[1] == pytest.approx(1)
    assert expansion[0] @ expansion[1] == pytest.approx(0)


def test_measures_are_logarithms_and_asked_for_once() -> None:
    asked = []

    def measure(point: object) -> tuple[float, ...]:
        asked.append(point)
        return (1.0, np.e)

    encoder, space = Encoder(PlainSpace(MIXED), measure), PlainSpace(MIXED)
    point = space.architecture(dict(zip(MIXED, ("conv", 16, 7, 1, 0.1), strict=True)))
    for _ in range(3):
        np.testing.assert_allclose(encoder([point, point]).measures, [[0, 1], [0, 1]], atol=1e-12)
    assert len(asked) == 1
