"""Early exits: when an image may leave, how that is chosen, and what it then costs."""

from nas.exits.candidates import NEVER, candidates, quota_thresholds
from nas.exits.choice import best_policy, cheapest_policy, policy_scores
from nas.exits.policy import ExitPolicy, PolicyScore, score

__all__ = [
    "NEVER",
    "ExitPolicy",
    "PolicyScore",
    "best_policy",
    "candidates",
    "cheapest_policy",
    "policy_scores",
    "quota_thresholds",
    "score",
]
