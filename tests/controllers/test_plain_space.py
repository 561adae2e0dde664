"""A space of distributions alone keeps the contract of spaces."""

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from controllers.candidates import draw
from controllers.plain_space import PlainSpace

DECISIONS: dict[str, BaseDistribution] = {
    "operator": CategoricalDistribution(["conv", "pool", "none"]),
    "alone": CategoricalDistribution(["only"]),
    "depth": IntDistribution(1, 3),
    "rate": FloatDistribution(0.0, 1.0, step=0.5),
}


@pytest.fixture
def space() -> PlainSpace:
    return PlainSpace(DECISIONS)


def test_parameters_and_architectures_are_inverse(space: PlainSpace) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        point = draw(space, rng)
        assert space.architecture(space.parameters(point)) == point  # type: ignore[arg-type]


def test_neighbours_differ_in_one_decision_and_mutants_are_neighbours(space: PlainSpace) -> None:
    point = space.architecture({"operator": "pool", "alone": "only", "depth": 2, "rate": 0.5})
    near = list(space.neighbours(point))
    assert len({each.key for each in near}) == len(near) == 6
    assert all(
        sum(a != b for a, b in zip(each.tokens, point.tokens, strict=True)) == 1 for each in near
    )
    rng = np.random.default_rng(0)
    mutants = {space.mutate(point, rng) for _ in range(200)}
    assert mutants == set(near)


def test_a_single_architecture_has_nowhere_to_go() -> None:
    space = PlainSpace({"alone": CategoricalDistribution(["only"])})
    point = space.architecture({"alone": "only"})
    assert list(space.neighbours(point)) == []
    assert space.mutate(point, np.random.default_rng(0)) == point


def test_encodings_are_one_hot(space: PlainSpace) -> None:
    point = space.architecture({"operator": "none", "alone": "only", "depth": 1, "rate": 1.0})
    np.testing.assert_array_equal(space.encode(point), [0, 0, 1, 1, 1, 0, 0, 0, 0, 1])
