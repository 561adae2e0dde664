"""Proximal policy optimisation of the policy of `controllers/policy.py`.

Clipped surrogate objective (Schulman et al. 2017, arXiv 1707.06347, equation 7), several epochs a
batch as in MnasNet, an entropy bonus that fades, and imitation of the best architectures so far
(priority queue training, Abolafia et al. 2018, arXiv 1801.03526).
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from controllers.policy import Policy, scores

LEARNING_RATE = 5e-3
CLIP = 0.2
EPOCHS = 4
IMITATION = 2
"""Steps towards the best architectures, at each look."""
ENTROPY = 0.05
ENTROPY_LEFT = 0.98
"""What is left of the entropy bonus after each look."""
STALE = 2.0
"""The most that a result of an older policy counts for, relative to one of the present policy."""
PAST = 6
"""Policies that are remembered, to weigh what they proposed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to learn from: tokens [n, decisions], which decisions matter, and advantages [n].

    made_by: [n], the look after which the policy proposed a row; -1 where it was not drawn by a
    policy that is known, or by the present one.
    """

    tokens: np.ndarray
    active: np.ndarray
    advantages: np.ndarray
    made_by: np.ndarray


class PpoLearner:
    """A policy with what it has learnt so far.

    Args:
        options: number of options of each decision.
        seed: of the initial weights.
    """

    def __init__(self, options: tuple[int, ...], seed: int) -> None:
        self.policy = Policy(options, seed)
        self._adam = torch.optim.Adam(self.policy.parameters(), lr=LEARNING_RATE)
        self._entropy = ENTROPY
        self._past: dict[int, Policy] = {}

    def copy(self) -> "PpoLearner":
        """Another learner with the same past; what it learns from now on is its own."""
        return copy.deepcopy(self)

    def learn(self, batch: Batch, best: tuple[np.ndarray, np.ndarray], look: int) -> None:
        """Learn at a look: from a batch, then from the best so far (tokens, active)."""
        if len(batch.tokens):
            self._improve(batch)
        leading, matter = torch.from_numpy(best[0]), torch.from_numpy(best[1])
        for _ in range(IMITATION):
            self._step(-scores(self.policy, leading, matter)[0].mean())
        self._entropy *= ENTROPY_LEFT
        self._past[look] = copy.deepcopy(self.policy)
        while len(self._past) > PAST:
            del self._past[min(self._past)]

    def _improve(self, batch: Batch) -> None:
        tokens, active = torch.from_numpy(batch.tokens), torch.from_numpy(batch.active)
        with torch.no_grad():
            before, _ = scores(self.policy, tokens, active)
        mattering = active.sum(dim=1).clamp(min=1)
        weight = torch.from_numpy(self._weights(batch, before)).float()
        advantages = torch.from_numpy(batch.advantages).float() * weight
        for _ in range(EPOCHS):
            now, entropies = scores(self.policy, tokens, active)
            entropy = entropies / mattering
            ratio = (now - before).exp()
            clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
            gain = torch.minimum(ratio * advantages, clipped * advantages)
            self._step(-(gain + self._entropy * entropy).mean())

    def _weights(self, batch: Batch, now: Tensor) -> np.ndarray:
        """Importance weights: how much likelier a row is now than to the policy that made it."""
        weights = np.ones(len(batch.tokens))
        for look, policy in self._past.items():
            rows = np.flatnonzero(batch.made_by == look)
            if len(rows):
                with torch.no_grad():
                    then, _ = scores(
                        policy,
                        torch.from_numpy(batch.tokens[rows]),
                        torch.from_numpy(batch.active[rows]),
                    )
                weights[rows] = (now[rows] - then).clamp(max=float(np.log(STALE))).exp().numpy()
        return weights

    def _step(self, loss: Tensor) -> None:
        self._adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
        self._adam.step()
