"""Early exits: when an image may leave, how that is chosen, and what it then costs."""

from nas.exits.budget import budgeted_policy, budgets
from nas.exits.candidates import NEVER, candidates, quota_thresholds
from nas.exits.choice import best_policy, cheapest_policy, policy_scores
from nas.exits.fixed import always, latest_within, single_threshold
from nas.exits.policy import ExitPolicy, PolicyScore, restated, score
from nas.exits.sweep import official_policies

__all__ = [
    "NEVER",
    "ExitPolicy",
    "PolicyScore",
    "always",
    "best_policy",
    "budgeted_policy",
    "budgets",
    "candidates",
    "cheapest_policy",
    "latest_within",
    "official_policies",
    "policy_scores",
    "quota_thresholds",
    "restated",
    "score",
    "single_threshold",
]
