"""Judging one trained network: accuracy of its exits and policies against what they cost."""

from nas.evaluation.evaluate import evaluate
from nas.evaluation.facts import Evaluation

__all__ = ["Evaluation", "evaluate"]
