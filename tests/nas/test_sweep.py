"""The official sweep, against what the functions of the official code gave."""

import json
from pathlib import Path

import numpy as np
import pytest

from nas.exits import NEVER, score
from nas.exits.candidates import geometric_shares
from nas.exits.leaving import exits_taken
from nas.exits.sweep import SETTINGS, as_official, official_policies
from nas.measurement import HeldOut
from tests.nas.made_up import held_out

VECTORS = json.loads(Path(__file__).with_name("official_sweep.json").read_text())
GENERATOR = VECTORS["generator"]
OPS = GENERATOR["flops"]
EXITS = GENERATOR["K"]


def made(off: int) -> HeldOut:
    """The closed-form data of the vectors, float32 probabilities."""
    k, i, c = np.ogrid[:EXITS, : GENERATOR["N"], : GENERATOR["C"]]
    target = (7 * i + off) % GENERATOR["C"]
    logits = (1 + 0.4 * k) * np.sin(0.7 * (c + 1) * (i + 1) + 1.3 * k + 0.37 * off)
    logits = logits + (c == target) * (0.6 + 0.5 * k) * (1 + np.sin(0.11 * (i + 1)))
    probability = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    probability = probability.astype(np.float32)
    correct = probability.argmax(axis=2) == target[:, :, 0]
    return HeldOut(probability.max(axis=2).T, correct.T)


VALIDATION, TEST = made(GENERATOR["validation_off"]), made(GENERATOR["test_off"])


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: f"p={case['p']}")
def test_the_sweep_is_the_official_one(case) -> None:
    policy = official_policies(VALIDATION)[case["p"] - 1]
    assert policy.found == f"official sweep, p={case['p']}"
    early = [NEVER if threshold == 1e8 else threshold for threshold in case["thresholds"][:-1]]
    np.testing.assert_allclose(policy.thresholds, [*early, 0.0], rtol=0, atol=1e-6)
    shares = geometric_shares(case["q"], EXITS)
    assert np.round(shares.astype(float), 6).tolist() == case["exit_probs"]
    for facts, name in ((VALIDATION, "val"), (TEST, "test")):
        seen = score(policy, facts, OPS, OPS)
        # The shares that left: 1/200 steps, so that counts and accuracies are exact.
        assert round(seen.accuracy * 200) == case[f"{name}_acc"] * 2
        # The official cost is summed in float32.
        assert seen.macs == pytest.approx(case[f"{name}_exp_flops"], rel=1e-7)
        counts = np.bincount(exits_taken(policy, facts), minlength=EXITS)
        assert seen.shares == tuple((counts / 200).tolist())


def test_there_are_39_settings_of_float32_rules() -> None:
    facts = held_out(500, 4, 1)
    exact = HeldOut(facts.confidence.astype(np.float64) * 0.987654321, facts.correct)
    policies = official_policies(exact)
    assert len(policies) == len(SETTINGS) == 39
    for policy in policies:
        early = np.array(policy.thresholds[:-1])
        assert (early.astype(np.float32) == early).all()
        # Whoever set a threshold leaves by it, on the confidences that the official code keeps.
        sure = as_official(exact).confidence
        assert all(t == NEVER or t in sure[:, k] for k, t in enumerate(early.tolist()))
