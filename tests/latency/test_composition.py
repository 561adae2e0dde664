"""How blocks make up a network: the four numbers, and what networks tell of their own errors."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency.blocks import BlockKey
from latency.model import composition, cross_validation
from latency.model.block_table import Block, Seen
from latency.model.composition import Composition, Sums
from latency.model.cross_validation import Foretold, between_campaigns, conformal
from latency.model.model import Misses
from search_spaces.residual import Pool

Stages = list[tuple[float, int, int]]

stages = st.lists(
    st.tuples(st.floats(0.01, 100), st.integers(1, 40), st.integers(0, 5)), min_size=1, max_size=9
)
numbers = st.builds(
    Composition,
    st.floats(0.5, 2.0),
    st.floats(-0.005, 0.05),
    st.floats(0.0, 0.5),
    st.floats(0.0, 0.01),
)


def sums(network: Stages) -> Sums:
    ms, blocks, handed_on = zip(*network, strict=True)
    return Sums(ms, [0.0] * len(ms), blocks, handed_on)


@given(numbers, stages)
def test_latency_grows_from_exit_to_exit(law: Composition, network: Stages) -> None:
    exits = law.ms(sums(network))
    assert len(exits) == len(network)
    assert exits[0] > 0
    assert all(one < other for one, other in pairwise(exits))


@given(
    st.floats(0.5, 2.0),
    st.floats(0.0, 0.02),
    st.floats(0.0, 0.1),
    st.floats(0.0, 0.01),
    st.integers(0, 99),
    st.booleans(),
)
def test_a_law_is_learnt(
    factor: float, block_ms: float, stage_ms: float, state_ms: float, seed: int, exits: bool
) -> None:
    law = Composition(factor, block_ms, stage_ms, state_ms)
    rng = np.random.default_rng(seed)

    def stage() -> tuple[float, int, int]:
        handed_on = int(rng.integers(0, 6)) if exits else 0
        return float(rng.uniform(0.1, 10)), int(rng.integers(1, 30)), handed_on

    # Networks without early exits have one stage, which hands nothing on.
    drawn = [[stage() for _ in range(rng.integers(1, 6) if exits else 1)] for _ in range(24)]
    networks = [sums(each) for each in drawn]
    measured = [np.array(law.ms(each)) for each in networks]
    found = composition.learnt(networks[:16], measured[:16])
    for network, exits in zip(networks[16:], measured[16:], strict=True):
        assert found.ms(network) == pytest.approx(exits, rel=0.02)


def test_few_networks_stay_near_the_plain_sum() -> None:
    network = sums([(1.0, 5, 1), (2.0, 5, 0)])
    found = composition.learnt([network], [np.array([1.1, 3.3])])
    assert found.factor == pytest.approx(1.1, rel=0.02)
    assert found.ms(network) == pytest.approx([1.1, 3.3], rel=0.02)


@given(st.lists(st.floats(0, 10), min_size=9, max_size=60))
def test_nine_in_ten_errors_are_within(errors: list[float]) -> None:
    half_width = conformal(np.array(errors))
    within = sum(error <= half_width for error in errors)
    assert half_width in errors
    assert within >= min(0.9 * (len(errors) + 1), len(errors))


def foretold(*ms: float, guessed: float = 0.0) -> Foretold:
    return Foretold(np.array(ms), np.full(len(ms), guessed))


def test_intervals_are_as_wide_as_errors_were() -> None:
    measured = [np.array([1.0, 2.0])] * 20
    known = [foretold(1.2, 2.1)] * 20
    guessed = [foretold(1.0, 2.0 * np.exp(0.3), guessed=0.25)] * 20
    found = cross_validation.misses(known, guessed, measured, np.zeros(20), np.zeros(20))
    noise = cross_validation.LEAST_NOISE
    assert found.last == pytest.approx(np.hypot(np.log(1.05), noise))
    assert found.early == pytest.approx(np.hypot(np.log(1.2), noise))
    assert found.guessed == pytest.approx(0.6)  # a quarter of the time was guessed


def test_what_measured_blocks_miss_is_no_fault_of_guesses() -> None:
    measured = [np.array([1.0])] * 20
    known = [foretold(1.05)] * 20
    guessed = [foretold(1.05, guessed=0.01)] * 20
    found = cross_validation.misses(known, guessed, measured, np.zeros(20), np.zeros(20))
    assert found.guessed == 0


def test_early_exits_with_guesses_are_held_too() -> None:
    measured = [np.array([1.0, 2.0])] * 20
    known = [foretold(1.0, 2.0)] * 20
    guessed = [Foretold(np.array([1.5, 2.0]), np.array([0.64, 0.16]))] * 20
    found = cross_validation.misses(known, guessed, measured, np.zeros(20), np.zeros(20))
    assert found.half_widths([0.64, 0.16])[0] == pytest.approx(np.log(1.5))


def test_a_measurement_of_one_round_has_no_noise() -> None:
    measured, exact = [np.array([1.0])] * 9, [foretold(1.0)] * 9
    none = np.full(9, np.nan)
    found = cross_validation.misses(exact, exact, measured, none, none)
    assert found.last == cross_validation.LEAST_NOISE


def test_intervals_know_of_chance_and_of_drift() -> None:
    measured, off = [np.array([1.0])] * 20, [foretold(np.exp(0.06))] * 20
    noises, reliances = np.full(20, 0.06), np.full(20, 0.02)
    found = cross_validation.misses(off, off, measured, noises, reliances)
    assert found.last == pytest.approx(0.07)  # 6, 6 / 2 and 2 %
    assert found.early == found.last


def test_a_few_networks_that_seem_to_drift_are_no_drift() -> None:
    reliances = np.array([0.0] * 18 + [0.3])
    assert between_campaigns(np.zeros(19), reliances) == cross_validation.LEAST_NOISE


def test_where_nothing_was_guessed_a_guess_is_wide_open() -> None:
    known = [foretold(1.0)] * 9
    found = cross_validation.misses(known, known, [np.array([1.0])] * 9, np.zeros(9), np.zeros(9))
    assert found.guessed == cross_validation.UNKNOWN


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_guessed_is_never_surer(one: float, other: float) -> None:
    widths = Misses(0.02, 0.05, 0.3).half_widths
    few, many = sorted((one, other))
    assert widths([few])[-1] <= widths([many])[-1] <= 0.3
    assert widths([0.0, 0.0]) == [0.05, 0.02]


def test_a_table_without_a_network_has_what_others_saw() -> None:
    shared, own = (
        Block(BlockKey(Pool("max", size, 1, 0), ((4, 8, 8),)), False, ms)
        for size, ms in ((2, {0: 1.0, 1: 2.0, 2: 6.0}), (3, {1: 5.0}))
    )
    seen = Seen((shared, own), networks=3)
    texts = [block.key.text for block in seen.blocks]
    assert {t: row.ms for t, row in seen.rows().items()} == dict(zip(texts, (3, 5), strict=True))
    without = seen.rows(frozenset({1}))
    assert {text: row.ms for text, row in without.items()} == {texts[0]: 3.5}
    falling_back = seen.rows(frozenset({1}), fall_back=True)
    assert {text: row.ms for text, row in falling_back.items()} == {texts[0]: 3.5, texts[1]: 5}
