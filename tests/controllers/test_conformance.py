"""Every controller passes the conformance classes that Optuna ships for the samplers it claims."""

from collections.abc import Callable
from typing import Any

import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

import controllers

SEVERAL_OBJECTIVES = ("random", "tpe", "nsga2", "gp", "evolution", "surrogate", "ppo")
ONE_OBJECTIVE = ("reinforce", "local_search")
# The relative class asks after one trial, so only samplers that model from then on can pass it.
RELATIVE: dict[str, dict[str, Any]] = {
    "tpe": {"startup": 0},
    "gp": {"startup": 1},
    "reinforce": {},
    "evolution": {},
    "local_search": {},
    "surrogate": {},
    "ppo": {},
}
# Optuna's own behind a wrapper that others of them share, and the slowest by far.
SLOW_GP = pytest.param("gp", marks=pytest.mark.slow)


def test_every_controller_is_listed_here() -> None:
    assert set(SEVERAL_OBJECTIVES + ONE_OBJECTIVE) == set(controllers.names())


class TestBasic(BasicSamplerTestCase):
    @pytest.fixture(params=controllers.names())
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return lambda: controllers.make(request.param)


class TestRelative(RelativeSamplerTestCase):
    @pytest.fixture(params=[SLOW_GP if name == "gp" else name for name in RELATIVE])
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return lambda: controllers.make(request.param, **RELATIVE[request.param])


class TestSeveralObjectives(MultiObjectiveSamplerTestCase):
    @pytest.fixture(params=SEVERAL_OBJECTIVES)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return lambda: controllers.make(request.param)


class TestOneObjective(SingleOnlySamplerTestCase):
    @pytest.fixture(params=ONE_OBJECTIVE)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return lambda: controllers.make(request.param)
