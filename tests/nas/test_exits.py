from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.exits import (
    NEVER,
    ExitPolicy,
    best_policy,
    candidates,
    cheapest_policy,
    policy_scores,
    quota_thresholds,
    score,
)
from nas.exits.candidates import between_float16, geometric_shares
from nas.measurement import HeldOut, Measurement
from nas.rewards import Reward
from tests.nas.made_up import held_out, measurement


def _walk(confidence, correct, thresholds):
    """Image by image: the exits taken, and whether the answers were right."""
    exits, right = [], []
    for row, truth in zip(confidence, correct, strict=True):
        taken = next(
            k
            for k, threshold in enumerate(thresholds)
            if float(row[k]) >= threshold or k == len(thresholds) - 1
        )
        exits.append(taken)
        right.append(bool(truth[taken]))
    return exits, right


@given(st.integers(2, 6), st.floats(0.05, 20.0), st.integers(0, 1000))
def test_without_ties_exactly_the_quota_leaves(exits, ratio, seed):
    images = 150
    rng = np.random.default_rng(seed)
    confidence = rng.permuted(np.tile(np.linspace(0.1, 1, images), (exits, 1)), axis=1).T
    shares = geometric_shares(ratio, exits)
    thresholds = quota_thresholds(confidence, shares[None])[0]
    taken, _ = _walk(confidence, np.ones_like(confidence, bool), thresholds)
    for k in range(exits - 1):
        assert taken.count(k) == int(np.floor(np.float32(images) * shares[k]))


def test_all_who_are_equally_sure_leave_together():
    confidence = np.array([[0.9, 0.9], [0.9, 0.9], [0.9, 0.9], [0.5, 0.9]])
    (thresholds,) = quota_thresholds(confidence, np.array([[0.25, 0.75]]))
    assert thresholds.tolist() == [0.9, 0.0]
    assert _walk(confidence, confidence > 0, thresholds)[0] == [0, 0, 0, 1]


def test_a_quota_that_nobody_is_left_for_lets_nobody_leave():
    # All leave at the first exit together, so that no image remains for the second.
    confidence = np.full((10, 3), 0.9)
    (thresholds,) = quota_thresholds(confidence, np.array([[0.3, 0.3, 0.4]]))
    assert thresholds.tolist() == [0.9, NEVER, 0.0]
    (none,) = quota_thresholds(confidence, np.array([[0.05, 0.05, 0.9]]))
    assert none.tolist() == [NEVER, NEVER, 0.0]


def test_a_threshold_parts_unrounded_confidences_as_the_rounded_ones():
    rng = np.random.default_rng(0)
    rounded = np.unique(rng.random(400).astype(np.float16))
    rounded = np.append(rounded, [np.float16(1.0), np.nextafter(np.float16(1), np.float16(0))])
    edges = between_float16(rounded)
    halfway = (rounded[1:].astype(np.float32) + rounded[:-1].astype(np.float32)) / 2
    running = np.concatenate([rng.random(4000, np.float32), halfway, edges])
    running = np.concatenate([running, np.nextafter(edges, np.float32(0))])
    for stored, edge in zip(rounded, edges, strict=True):
        np.testing.assert_array_equal(running.astype(np.float16) >= stored, running >= edge)


def test_an_image_stored_as_certain_reaches_the_threshold_when_it_runs():
    facts = HeldOut(np.full((40, 2), 0.9999, np.float16), np.ones((40, 2), bool))
    assert float(facts.confidence.max()) == 1.0
    for policy in candidates(facts):
        leaves_early = policy.thresholds[0] <= 1.0
        assert (policy.thresholds[0] <= 0.9999) == leaves_early


def test_candidates_hold_every_kind():
    found = {policy.found: policy.thresholds for policy in candidates(held_out(200, 4, 0))}
    assert found["always exit 1"] == (0.0, 0.0, 0.0, 0.0)
    assert found["always exit 3"] == (NEVER, NEVER, 0.0, 0.0)
    assert found["never exit early"] == (NEVER, NEVER, NEVER, 0.0)
    ratios = [float(name.split("r=")[1]) for name in found if "r=" in name]
    assert min(ratios) < 0.1
    assert max(ratios) > 10
    assert 1.0 in ratios
    assert all(early < late for early, late in pairwise(ratios))


def test_larger_ratios_leave_later():
    facts = held_out(1000, 5, 3)
    shares = [
        score(policy, facts, (1, 2, 3, 4, 5), (1, 2, 3, 4, 5)).latency_ms
        for policy in candidates(facts)
        if "r=" in policy.found
    ]
    assert all(early <= late for early, late in pairwise(shares))
    assert shares[0] < 1.2
    assert shares[-1] > 4.7  # not 5: all who are fully certain leave together


@settings(max_examples=60)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 10_000), st.data())
def test_a_score_is_what_walking_image_by_image_gives(exits, images, seed, data):
    rng = np.random.default_rng(seed)
    # Few distinct values, so that confidences equal thresholds often.
    confidence = rng.integers(1, 5, (images, exits)) / 4
    correct = rng.random((images, exits)) < 0.5
    value = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, NEVER])
    early = data.draw(st.lists(value, min_size=exits - 1, max_size=exits - 1))
    policy = ExitPolicy((*early, 0.0), "drawn")
    latency = tuple(float(k + 1) ** 2 for k in range(exits))
    macs = tuple(10 * (k + 1) for k in range(exits))

    seen = score(policy, HeldOut(confidence, correct), latency, macs)

    taken, right = _walk(confidence, correct, policy.thresholds)
    spent = sorted(latency[k] for k in taken)
    assert seen.accuracy == pytest.approx(np.mean(right))
    assert seen.latency_ms == pytest.approx(np.mean(spent))
    assert seen.macs == pytest.approx(np.mean([macs[k] for k in taken]))
    assert seen.shares == pytest.approx([taken.count(k) / images for k in range(exits)])
    assert seen.p95_ms == spent[int(np.ceil(0.95 * images - 1e-6)) - 1]
    assert seen.p95_ms <= spent[-1] <= seen.worst_ms
    assert seen.standard_error == pytest.approx(np.std(right) / np.sqrt(images))


def test_the_worst_case_is_that_of_any_data():
    facts = HeldOut(np.full((20, 3), 0.9), np.ones((20, 3), bool))
    latency, macs = (1.0, 2.0, 5.0), (1, 2, 5)
    everybody = score(ExitPolicy((0.5, 0.5, 0.0), "hand"), facts, latency, macs)
    assert (everybody.latency_ms, everybody.p95_ms, everybody.worst_ms) == (1.0, 1.0, 5.0)
    second = score(ExitPolicy((NEVER, 0.0, 0.0), "hand"), facts, latency, macs)
    assert (second.latency_ms, second.worst_ms) == (2.0, 2.0)


def test_thresholds_found_on_some_images_serve_others():
    found_on, other = held_out(600, 4, 1), held_out(500, 4, 2)
    latency, macs = (1.0, 2.0, 3.0, 4.0), (1, 2, 3, 4)
    uniform = next(policy for policy in candidates(found_on) if policy.found.endswith("r=1"))
    here, there = (score(uniform, facts, latency, macs) for facts in (found_on, other))
    assert here.shares == pytest.approx((0.25,) * 4, abs=0.02)
    assert there.shares == pytest.approx((0.25,) * 4, abs=0.08)
    assert there.shares != here.shares
    with pytest.raises(ValueError, match="4 thresholds for 3 exits"):
        score(uniform, held_out(50, 3, 1), latency, macs)


@pytest.mark.parametrize("thresholds", [(), (0.5,), (0.5, 0.1), (-0.1, 0.0), (np.inf, 0.0)])
def test_thresholds_that_lose_images_are_refused(thresholds):
    with pytest.raises(ValueError, match="threshold"):
        ExitPolicy(thresholds, "hand")


def _halves(images):
    """The fixed permutation, stated again: a change of it would change every recorded score."""
    order = np.random.default_rng(20_180_130).permutation(images)
    return order[: images // 2], order[images // 2 :]


def _part(facts, rows):
    return HeldOut(facts.confidence[rows], facts.correct[rows])


@pytest.mark.parametrize("images", [300, 301])
def test_best_policy_is_chosen_on_one_half_and_scored_on_the_other(images):
    measured = measurement(images=images, exits=4, seed=5)
    costs = (measured.exit_latency_ms, measured.exit_macs)
    reward = Reward.soft(2.0, -0.2)
    one, two = (_part(measured.held_out, rows) for rows in _halves(images))

    def choose(facts):
        scored = [score(policy, facts, *costs) for policy in candidates(facts)]
        return max(scored, key=lambda s: (reward(s.accuracy, s.latency_ms), -s.latency_ms)).policy

    folds = [(score(choose(one), two, *costs), two), (score(choose(two), one, *costs), one)]
    seen = best_policy(measured, reward)
    for field in ("accuracy", "latency_ms", "macs"):
        mean = sum(getattr(s, field) * facts.images for s, facts in folds) / images
        assert getattr(seen, field) == pytest.approx(mean)
    assert seen.policy == choose(measured.held_out)
    spread = np.sqrt(seen.accuracy * (1 - seen.accuracy) / images)
    assert seen.standard_error == pytest.approx(spread)


def test_luck_is_not_counted_as_accuracy():
    # Answers are coin flips: no policy is better than half, whatever was found in the sample.
    chosen, honest = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        facts = HeldOut(rng.random((60, 6)), rng.random((60, 6)) < 0.5)
        measured = Measurement((1.0,) * 6, (1,) * 6, 1, facts, 1.0, 1, seed)
        in_sample = [score(p, facts, (1.0,) * 6, (1,) * 6).accuracy for p in candidates(facts)]
        chosen.append(max(in_sample))
        honest.append(best_policy(measured, lambda accuracy, latency_ms: accuracy).accuracy)
    assert np.mean(chosen) > 0.55
    assert abs(np.mean(honest) - 0.5) < 3 * 0.5 / np.sqrt(60 * 60)


def test_the_objective_decides_how_early():
    measured = measurement(images=600, exits=4, seed=2)
    hurried = best_policy(measured, lambda accuracy, latency_ms: -latency_ms)
    assert hurried.policy.found == "always exit 1"
    assert hurried.latency_ms == 1.0
    assert hurried.worst_ms == 1.0
    patient = best_policy(measured, lambda accuracy, latency_ms: latency_ms)
    assert patient.policy.found == "never exit early"
    assert patient.shares == (0, 0, 0, 1)
    assert patient.accuracy == pytest.approx(measured.accuracy_of_exit(-1))


def test_of_equal_policies_the_fastest_is_taken():
    certain = HeldOut(np.full((50, 3), 0.99), np.ones((50, 3), bool))
    measured = Measurement((1.0, 2.0, 3.0), (1, 2, 3), 1, certain, 1.0, 1, 0)
    seen = best_policy(measured, lambda accuracy, latency_ms: accuracy)
    assert (seen.accuracy, seen.latency_ms, seen.standard_error) == (1.0, 1.0, 0.0)


def test_a_faster_device_target_never_makes_the_policy_slower():
    measured = measurement(images=800, exits=5, seed=4)
    spent = [best_policy(measured, Reward.soft(2.0, w)).latency_ms for w in (0.0, -0.07, -0.3, -2)]
    assert spent == sorted(spent, reverse=True)
    assert spent[0] > spent[-1]


def test_cheapest_policy_stays_within_half_a_point_of_the_last_exit():
    measured = measurement(images=2000, exits=5, seed=7)
    costs = (measured.exit_latency_ms, measured.exit_macs)
    seen = cheapest_policy(measured)
    chosen = score(seen.policy, measured.held_out, *costs)
    last = measured.accuracy_of_exit(-1)
    assert chosen.accuracy >= last - 0.005
    for policy in candidates(measured.held_out):
        other = score(policy, measured.held_out, *costs)
        assert other.latency_ms >= chosen.latency_ms or other.accuracy < last - 0.005
    assert seen.latency_ms < measured.exit_latency_ms[-1]


def test_exactly_half_a_point_is_within():
    correct = np.ones((400, 2), bool)
    for half in _halves(400):
        correct[half[:1], 0] = False  # exit 1 is wrong on 1 image of 200, half a point, each half
    measured = Measurement(
        (1.0, 2.0), (1, 2), 1, HeldOut(np.full((400, 2), 0.9), correct), 1.0, 1, 0
    )
    assert cheapest_policy(measured).policy.found == "always exit 1"
    assert cheapest_policy(measured, tolerance=0.004).policy.found == "never exit early"


def test_policy_scores_judge_every_recipe_on_the_other_half():
    measured = measurement(images=300, exits=3, seed=9)
    costs = (measured.exit_latency_ms, measured.exit_macs)
    one, two = (_part(measured.held_out, rows) for rows in _halves(300))
    by_name = [{p.found: p for p in candidates(facts)} for facts in (one, two)]
    scores = policy_scores(measured)
    assert len({s.policy.thresholds for s in scores}) == len(scores) > 10
    for seen in scores:
        name = seen.policy.found
        folds = score(by_name[0][name], two, *costs), score(by_name[1][name], one, *costs)
        assert seen.accuracy == pytest.approx((folds[0].accuracy + folds[1].accuracy) / 2)
        assert seen.latency_ms == pytest.approx((folds[0].latency_ms + folds[1].latency_ms) / 2)
        assert seen.p95_ms <= seen.worst_ms
        assert sum(seen.shares) == pytest.approx(1.0)


def test_a_network_with_one_exit_has_one_policy():
    measured = measurement(exits=1)
    for seen in (cheapest_policy(measured), best_policy(measured, Reward.hard(2.0))):
        assert seen.policy == ExitPolicy((0.0,), "never exit early")
        assert (seen.latency_ms, seen.p95_ms, seen.worst_ms) == (1.0, 1.0, 1.0)
        assert seen.accuracy == pytest.approx(measured.accuracy_of_exit(0))
    assert len(policy_scores(measured)) == 1


def test_one_image_cannot_be_halved():
    with pytest.raises(ValueError, match="at least two held-out images"):
        cheapest_policy(measurement(images=1))
    assert cheapest_policy(measurement(images=2)).standard_error >= 0


def test_the_same_facts_give_the_same_score():
    assert policy_scores(measurement(seed=3)) == policy_scores(measurement(seed=3))
