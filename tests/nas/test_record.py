import pytest

from nas.record import TrialRecord
from tests.nas.made_up import architecture, measurement


def test_a_complete_trial_has_a_measurement():
    assert TrialRecord(0, "complete", architecture(), measurement()).reused_from is None
    with pytest.raises(AssertionError, match="trial 3 has no measurement"):
        TrialRecord(3, "complete", architecture())


def test_a_trial_that_failed_before_its_proposal_needs_neither():
    assert TrialRecord(0, "failed", None, error="the worker died").architecture is None


def test_states_are_these_four():
    with pytest.raises(AssertionError, match="waiting"):
        TrialRecord(0, "waiting", architecture())
