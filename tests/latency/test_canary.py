"""The canary: a fixed piece of work, and what its passes tell."""

import math

import numpy as np
import pytest
import torch

from latency import canary
from latency.runtimes.building import build, run


def test_it_is_always_the_same_work() -> None:
    assert canary.piece() == canary.piece()
    assert canary.piece().inputs == (("x", (3, 32, 32)),)
    (stage,) = canary.piece().stages
    assert len(stage.nodes) == 7


def test_it_answers_with_logits() -> None:
    built = build(canary.piece(), 0)
    with torch.inference_mode():
        (answer,) = run(built.stages, built.given)
    assert tuple(answer.shape) == (1, 10)


def test_a_calm_device_is_not_restless() -> None:
    beats = np.array([1.0, 1.01, 1.02] * 10)
    assert canary.floor_ms(beats) == pytest.approx(1.0)
    assert canary.restlessness(beats) < 1.02


def test_few_long_passes_change_neither() -> None:
    beats = np.array([1.0] * 20 + [9.0] * 5)
    assert canary.floor_ms(beats) == 1.0
    assert canary.restlessness(beats) == 1.0


def test_a_busy_device_is_told() -> None:
    beats = np.array([1.0] * 5 + [1.4] * 20)
    assert canary.restlessness(beats) == pytest.approx(1.4)
    assert canary.restlessness(beats) > canary.BUSY


def test_without_a_pass_nothing_is_known() -> None:
    assert math.isnan(canary.floor_ms(np.array([])))
    assert math.isnan(canary.restlessness(np.array([])))
