"""Temperatures and calibration error, against other ways to find them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from nas.exits.calibration import (
    COLDEST,
    calibration_error,
    temperatures,
)
from nas.exits.confidence import judged
from nas.measurement import HeldOut


def made(temperature: float, images: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [images, 1, 5] whose labels are drawn from their softmax at that temperature."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * temperature * torch.randn(images, 1, 5, generator=generator, dtype=torch.float64)
    chances = (logits[:, 0] / temperature).softmax(dim=1)
    return logits, torch.multinomial(chances, 1, generator=generator).squeeze(1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_of_the_labels_is_found_again(temperature: float) -> None:
    logits, labels = made(temperature, 20_000, 1)
    (found,) = temperatures(logits, labels)
    assert found == pytest.approx(temperature, rel=0.03)
    before, after = (calibration_error(judged(logits, labels, t))[0] for t in (None, (found,)))
    assert after < 0.015
    assert after < before or temperature == 1.0


@settings(max_examples=20)
@given(st.floats(0.3, 4), st.integers(0, 50))
def test_no_other_temperature_is_likelier(temperature: float, seed: int) -> None:
    logits, labels = made(temperature, 300, seed)
    (found,) = temperatures(logits, labels)
    least = cross_entropy(logits[:, 0] / found, labels)
    for other in np.geomspace(COLDEST, 20, 60):
        assert cross_entropy(logits[:, 0] / other, labels) >= least - 1e-12


def test_each_exit_has_its_own_and_answers_stay() -> None:
    first, labels = made(2.0, 5000, 3)
    logits = torch.cat([first, first / 4], dim=1)
    found = temperatures(logits, labels)
    assert found[0] == pytest.approx(4 * found[1])
    assert found == temperatures(logits, labels)
    plain, tempered = judged(logits, labels), judged(logits, labels, found)
    assert (plain.correct == tempered.correct).all()


def test_an_exit_that_is_always_right_has_the_lowest() -> None:
    logits = torch.nn.functional.one_hot(torch.arange(4).repeat(5), 4)[:, None].double()
    assert temperatures(logits, torch.arange(4).repeat(5)) == pytest.approx((COLDEST,))


@given(st.integers(1, 60), st.integers(0, 1000))
def test_the_calibration_error_is_the_sum_over_bins(images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    facts = HeldOut(rng.integers(0, 31, (images, 2)) / 30, rng.random((images, 2)) < 0.5)
    for k, seen in enumerate(calibration_error(facts)):
        expected = 0.0
        for low, high in zip(np.linspace(0, 1, 16)[:-1], np.linspace(0, 1, 16)[1:], strict=True):
            sure = facts.confidence[:, k]
            inside = (sure > low) & (sure <= high) | ((sure == 0) & (low == 0))
            if inside.any():
                distance = abs(sure[inside].mean() - facts.correct[inside, k].mean())
                expected += inside.mean() * distance
        assert seen == pytest.approx(expected)


def test_a_network_as_sure_as_right_has_no_error() -> None:
    sure = np.full((100, 1), 0.75)
    facts = HeldOut(sure, np.arange(100)[:, None] < 75)
    assert calibration_error(facts) == pytest.approx((0.0,))
    assert calibration_error(HeldOut(sure, np.zeros((100, 1)))) == pytest.approx((0.75,))
