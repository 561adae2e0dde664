"""Budgeted batches, single thresholds and anytime answers, on made-up networks."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.errors import UserError
from nas.exits import (
    NEVER,
    ExitPolicy,
    always,
    budgeted_policy,
    budgets,
    latest_within,
    score,
    single_threshold,
)
from nas.exits.budget import figure, shares_of, solve_ratio
from nas.exits.candidates import thresholds_for
from nas.exits.leaving import easy, exits_taken, hard, right
from nas.measurement import HeldOut
from tests.nas.made_up import held_out


def answered(images: int, exits: int, gap: float, seed: int) -> HeldOut:
    """Float64 softmax confidences; the larger the `gap` of logits, the more are saturated."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, images)
    ease = rng.exponential(1, (images, 1)) * np.linspace(0.5, 2, exits)
    logits = rng.standard_normal((images, exits, 10))
    logits[np.arange(images)[:, None], np.arange(exits), labels[:, None]] += gap * ease
    weights = np.exp(logits - logits.max(axis=2, keepdims=True))
    probability = weights / weights.sum(axis=2, keepdims=True)
    return HeldOut(probability.max(axis=2), probability.argmax(axis=2) == labels[:, None])


def tied(facts: HeldOut, levels: int) -> HeldOut:
    return HeldOut(np.ceil(facts.confidence * levels) / levels, facts.correct)


def costs_of(kind: str, exits: int) -> tuple[float, ...]:
    kinds = {
        "even": np.arange(1.0, exits + 1),
        "growing": 1.25 ** np.arange(exits),
        "uneven": np.cumsum([1.0, *([2.0, 0.05] * exits)][:exits]),
    }
    return tuple((kinds[kind] * 13.7).tolist())


def spent(policy: ExitPolicy, facts: HeldOut, cost: tuple[float, ...]) -> float:
    """Mean cost, exit by exit: who is sure enough leaves, and the rest at the last."""
    there, total = np.full(facts.images, True), 0.0
    for k, threshold in enumerate(policy.thresholds):
        stays = there & (facts.confidence[:, k] < threshold) & (k < len(cost) - 1)
        total += cost[k] * int((there & ~stays).sum())
        there = stays
    return total / facts.images


rising_costs = st.lists(st.floats(0.01, 10), min_size=2, max_size=11).map(
    lambda steps: tuple(np.cumsum(steps).tolist())
)


@given(rising_costs, st.floats(-8, 8), st.floats(0.01, 3))
def test_shares_are_of_everybody_and_cost_more_the_larger_r(cost, octave, step) -> None:
    low, high = shares_of([octave, octave + step], len(cost))
    for shares, at in ((low, octave), (high, octave + step)):
        assert shares.sum() == pytest.approx(1, abs=1e-12)
        assert (shares >= 0).all()
        ratios = [late / early for early, late in pairwise(shares.tolist())]
        assert ratios == pytest.approx([2**at] * len(ratios))
    assert high @ np.array(cost) > low @ np.array(cost)


@given(rising_costs, st.floats(0.01, 0.99))
def test_the_nominal_cost_is_the_budget(cost, part) -> None:
    budget = cost[0] + part * (cost[-1] - cost[0])
    shares = shares_of(solve_ratio(cost, budget), len(cost))
    assert shares @ np.array(cost) == pytest.approx(budget, rel=1e-9)


KINDS = [(2, "uneven"), (3, "even"), (5, "growing"), (8, "uneven"), (11, "growing"), (11, "even")]


@pytest.mark.parametrize(("exits", "kind"), KINDS)
@pytest.mark.parametrize("gap", [1.0, 10.0])
def test_what_is_spent_is_the_budget(exits, kind, gap) -> None:
    facts, cost = answered(2000, exits, gap, exits), costs_of(kind, exits)
    given_budgets = budgets(cost)
    assert len(given_budgets) == 20
    assert given_budgets[0] == pytest.approx(1.05 * cost[0])
    assert given_budgets[-1] == pytest.approx(0.95 * cost[-1])
    for budget in given_budgets:
        policy = budgeted_policy(facts, cost, budget)
        assert 0.98 * budget <= spent(policy, facts, cost) <= budget + 1e-9


@pytest.mark.parametrize("exits", [3, 6])
@pytest.mark.parametrize(("gap", "levels"), [(2.0, 100), (4.0, 500), (1.0, 40)])
def test_the_budget_is_met_where_many_are_equally_sure(exits, gap, levels) -> None:
    facts, cost = tied(answered(2000, exits, gap, 1), levels), costs_of("even", exits)
    for budget in budgets(cost, 10)[1:-1]:
        policy = budgeted_policy(facts, cost, budget)
        assert 0.98 * budget <= spent(policy, facts, cost) <= budget + 1e-9


@pytest.mark.parametrize("gap", [4.0, 15.0, 40.0])
def test_what_no_thresholds_can_spend_is_left(gap) -> None:
    """Few levels, a third and more saturated: the best of all thresholds, found by trying all."""
    facts, cost = tied(answered(2000, 3, gap, 2), 10), (1.0, 1.7, 4.0)
    levels = [[*np.unique(facts.confidence[:, k]), NEVER] for k in range(2)]
    possible = np.array(
        [spent(ExitPolicy((*early, 0.0), "tried"), facts, cost) for early in product(*levels)]
    )
    for budget in budgets(cost, 5):
        seen = spent(budgeted_policy(facts, cost, budget), facts, cost)
        below, above = possible[possible <= budget].max(), possible[possible > budget].min()
        assert seen >= below - 0.02 * budget
        if seen > budget:  # only to be within 2 %, where nothing below is
            assert seen <= 1.02 * budget
            assert below < 0.98 * budget
        else:
            assert below >= 0.98 * budget or above > 1.02 * budget


def test_stored_confidences_serve_too() -> None:
    facts, cost = held_out(2000, 4, 5), costs_of("growing", 4)
    for budget in budgets(cost, 5):
        policy = budgeted_policy(facts, cost, budget)
        assert 0.95 * budget <= score(policy, facts, cost, cost).latency_ms <= budget


def test_a_policy_says_how_it_was_found() -> None:
    facts, cost = answered(2000, 4, 4.0, 0), (1.0, 2.0, 3.0, 4.0)
    assert budgeted_policy(facts, cost, 2.5, "ms").found.startswith(
        "budget 2.5 ms, shares r^k, r=1"
    )
    assert float(budgeted_policy(facts, cost, 1.5).found.split("r=")[1]) < 0.5
    assert float(budgeted_policy(facts, cost, 3.5).found.split("r=")[1]) > 2


def test_the_ends_of_the_budgets() -> None:
    facts, cost = answered(300, 3, 4.0, 0), (1.0, 2.0, 4.0)
    for budget in (4.0, 5.0, 1e9):
        policy = budgeted_policy(facts, cost, budget)
        assert policy.thresholds == (NEVER, NEVER, 0.0)
        assert "never exit early" in policy.found
    assert spent(budgeted_policy(facts, cost, 1.0), facts, cost) == 1.0
    for budget in (0.99, 0.0, -1.0, float("nan")):
        with pytest.raises(UserError, match="the first exit takes 1 ms"):
            budgeted_policy(facts, cost, budget, "ms")


def test_the_least_possible_that_is_said_is_enough() -> None:
    assert figure(1_169_664.0, "MACs") == "1.17M MACs"
    assert figure(1.23456, "ms") == "1.235 ms"
    assert figure(9999.6) == "10000"
    assert figure(1.23412, "ms", up=True) == "1.235 ms"
    assert figure(1_234_111.0, "MACs", up=True) == "1.235M MACs"
    assert figure(20.0, up=True) == "20"


def test_costs_that_are_none_are_refused() -> None:
    facts = answered(50, 3, 4.0, 0)
    for cost in [(1.0, 2.0), (1.0, 3.0, 2.0), (0.0, 1.0, 2.0), (1.0, 2.0, np.inf), ()]:
        with pytest.raises(ValueError, match="cost"):
            budgeted_policy(facts, cost, 1.5)
    assert budgets((3.0,)) == ()
    # Measured exits may be equally fast; the budget then buys either.
    policy = budgeted_policy(facts, (1.0, 1.0, 2.0), 1.4)
    assert spent(policy, facts, (1.0, 1.0, 2.0)) <= 1.4


@settings(max_examples=40)
@given(st.integers(2, 7), st.floats(-4, 4), st.integers(0, 99))
def test_applied_to_the_same_images_the_quotas_leave(exits, octave, seed) -> None:
    facts = answered(400, exits, 3.0, seed)
    shares = shares_of(octave, exits)
    row = thresholds_for(facts, shares[None])[0]
    taken = exits_taken(ExitPolicy(tuple(row.tolist()), "quota"), facts)
    quotas = np.floor(np.float32(400) * shares.astype(np.float32)).astype(int).tolist()
    assert np.bincount(taken, minlength=exits).tolist()[:-1] == quotas[:-1]


@settings(max_examples=40)
@given(st.integers(2, 5), st.integers(0, 99), st.data())
def test_a_higher_threshold_lets_nobody_leave_earlier(exits, seed, data) -> None:
    facts = tied(answered(100, exits, 2.0, seed), 8)
    threshold = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, NEVER])
    early = data.draw(st.lists(threshold, min_size=exits - 1, max_size=exits - 1))
    k = data.draw(st.integers(0, exits - 2))
    raised = [*early]
    raised[k] = data.draw(threshold.filter(lambda t: t >= early[k]))
    before, after = (
        exits_taken(ExitPolicy((*row, 0.0), "drawn"), facts) for row in (early, raised)
    )
    assert (after >= before).all()


def test_exits_taken_are_those_that_a_score_counts() -> None:
    for facts in (held_out(500, 4, 3), answered(500, 4, 4.0, 3)):
        policy = single_threshold(0.7, 4)
        seen = score(policy, facts, (1, 2, 3, 4), (1, 2, 3, 4))
        taken = exits_taken(policy, facts)
        assert seen.shares == tuple((np.bincount(taken, minlength=4) / 500).tolist())
        assert seen.accuracy == right(taken, facts).mean()
        first = facts.confidence[:, 0] >= np.float32(0.7)
        assert (easy(policy, facts) == (first & facts.correct[:, 0])).all()
        assert (hard(facts) == (~facts.correct[:, 0] & facts.correct[:, -1])).all()
    with pytest.raises(ValueError, match="4 thresholds for 3 exits"):
        exits_taken(policy, answered(10, 3, 1.0, 0))


def test_one_threshold_for_all_exits() -> None:
    assert single_threshold(0.8, 3).thresholds == (0.8, 0.8, 0.0)
    assert single_threshold(1.0, 1).thresholds == (0.0,)
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(UserError, match="between 0 and 1"):
            single_threshold(wrong, 3)


def test_the_latest_exit_within_a_budget() -> None:
    cost = (1.0, 2.0, 4.0)
    found = [latest_within(cost, budget) for budget in (0.9, 1.0, 3.9, 4.0, 9.0)]
    assert found == [None, 0, 1, 2, 2]
    assert always(1, 3).thresholds == (NEVER, 0.0, 0.0)
    assert always(2, 3).thresholds == (NEVER, NEVER, 0.0)


def test_a_budget_just_below_the_whole_cost_where_all_are_equally_sure() -> None:
    facts = HeldOut(np.ones((10, 2)), np.ones((10, 2), np.bool_))
    policy = budgeted_policy(facts, (0.83, 0.88), 0.87)
    assert policy.thresholds == (NEVER, 0.0)  # 1.1 % above; everybody at once would be 4.6 % below
