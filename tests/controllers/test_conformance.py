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

SEVERAL_OBJECTIVES = ("random", "tpe", "nsga2")
ONE_OBJECTIVE = ("reinforce",)
# The relative class asks after one trial, so only samplers that model from then on can pass it.
RELATIVE: dict[str, dict[str, Any]] = {"tpe": {"startup": 0}, "reinforce": {}}


def test_every_controller_is_listed_here() -> None:
    assert set(SEVERAL_OBJECTIVES + ONE_OBJECTIVE) == set(controllers.names())


class TestBasic(BasicSamplerTestCase):
    @pytest.fixture(params=controllers.names())
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return lambda: controllers.make(request.param)


class TestRelative(RelativeSamplerTestCase):
    @pytest.fixture(params=RELATIVE)
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
