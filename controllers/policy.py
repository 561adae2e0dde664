"""An LSTM that chooses an architecture, one decision after the other, and learns by REINFORCE.

NASNet's controller (Zoph et al., CVPR 2018, appendix; MnasNet, CVPR 2019, section 4.3 uses the
same one): one LSTM layer of 100 units, each choice fed back as the next input, a softmax over the
options of each decision, weights drawn from [-0.1, 0.1], Adam, an entropy bonus of 1e-5, and an
exponential moving average of the rewards with 0.95 as baseline. The gradient is REINFORCE
(Williams 1992) rather than their PPO. Their learning rate of 3.5e-4 suits the thousands of trials
they trained; ten times it suits hundreds. Policy gradients alone are hardly better than random
below a hundred, and a policy that is hurried more than this settles on what was lucky.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from controllers.threads import ALONE

UNITS = 100
INITIAL_RANGE = 0.1
LEARNING_RATE = 3.5e-3
ENTROPY_BONUS = 1e-5
BASELINE_DECAY = 0.95
MOST = 1e6
"""Rewards are clipped to it: the squares of their gradients are kept with single precision."""


class Policy(nn.Module):
    """p(tokens) = product over decisions of softmax(head(LSTM(tokens before))).

    Args:
        options: number of options of each decision, in the order they are taken.
        seed: of the initial weights.
    """

    def __init__(self, options: Sequence[int], seed: int) -> None:
        super().__init__()
        self.options = tuple(options)
        # Every option of every decision has its own input row, the last one is the start.
        self.first = tuple(sum(self.options[:t]) for t in range(len(self.options)))
        self.start = sum(self.options)
        # Modules fill themselves from the global generator, which is not ours to move.
        with torch.random.fork_rng(devices=()):
            self.embedding = nn.Embedding(self.start + 1, UNITS)
            self.lstm = nn.LSTM(UNITS, UNITS, batch_first=True)
            self.head = nn.Linear(UNITS, self.start)
        generator = torch.Generator().manual_seed(seed)
        for weight in self.parameters():
            nn.init.uniform_(weight, -INITIAL_RANGE, INITIAL_RANGE, generator)

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """Log-probabilities of the options of each decision, given the tokens before it.

        Args:
            tokens: int64 [batch, decisions], the option taken of each decision.

        Returns:
            One float32 tensor [batch, options of that decision] per decision.
        """
        rows = tokens + torch.tensor(self.first)
        start = torch.full((len(tokens), 1), self.start)
        inputs = self.embedding(torch.cat([start, rows[:, :-1]], dim=1))
        logits = self.head(self.lstm(inputs)[0])
        return [
            logits[:, t, first : first + count].log_softmax(dim=1)
            for t, (first, count) in enumerate(zip(self.first, self.options, strict=True))
        ]

    @torch.no_grad()
    def rollout(
        self, uniforms: np.ndarray, is_active: Callable[[Sequence[int]], bool]
    ) -> tuple[int, ...]:
        """Draw one token a decision; an inactive decision takes its first option, undrawn.

        Args:
            uniforms: float64 [decisions] in [0, 1), one number a decision.
            is_active: whether the next decision matters, given the tokens before it.
        """
        tokens: list[int] = []
        row, state = self.start, None
        for uniform, first, count in zip(uniforms, self.first, self.options, strict=True):
            output, state = self.lstm(self.embedding(torch.tensor([[row]])), state)
            token = 0
            if count > 1 and is_active(tokens):
                weight = self.head.weight[first : first + count]
                logits = weight @ output[0, 0] + self.head.bias[first : first + count]
                cumulative = logits.double().softmax(dim=0).cumsum(dim=0)[:-1].numpy()
                token = int(np.searchsorted(cumulative, uniform, side="right"))
            tokens.append(token)
            row = first + token
        return tuple(tokens)

    @torch.no_grad()
    def draw(self, uniforms: np.ndarray) -> np.ndarray:
        """Draw many rows at once, every decision of each.

        Whether a decision matters is not asked: the rows may be made canonical afterwards.

        Args:
            uniforms: float64 [rows, decisions] in [0, 1).

        Returns:
            int64 [rows, decisions].
        """
        inputs = torch.full((len(uniforms), 1), self.start)
        state, taken = None, []
        for column, first, count in zip(uniforms.T, self.first, self.options, strict=True):
            output, state = self.lstm(self.embedding(inputs), state)
            head = slice(first, first + count)
            logits = output[:, 0] @ self.head.weight[head].T + self.head.bias[head]
            cumulative = logits.double().softmax(dim=1).cumsum(dim=1)[:, :-1].numpy()
            tokens = (cumulative <= column[:, None]).sum(axis=1)
            taken.append(tokens)
            inputs = torch.from_numpy(first + tokens)[:, None]
        return np.stack(taken, axis=1)


class Learner:
    """A policy with what it has learnt so far: weights, Adam's moments, baseline.

    Args:
        options: number of options of each decision.
        seed: of the initial weights.
    """

    def __init__(self, options: Sequence[int], seed: int) -> None:
        self.policy = Policy(options, seed)
        self._adam = torch.optim.Adam(self.policy.parameters(), lr=LEARNING_RATE)
        self._baseline: float | None = None

    def copy(self) -> "Learner":
        """Another learner with the same past; what it learns from now on is its own."""
        return copy.deepcopy(self)

    def learn(self, tokens: np.ndarray, active: np.ndarray, rewards: Sequence[float]) -> None:
        """One step of REINFORCE on one batch of finished trials.

        The trials may come from older weights (results come in late, users enqueue their own);
        no importance weight corrects for that, which is the price of the plain method.

        Args:
            tokens: int64 [batch, decisions].
            active: bool [batch, decisions]; other decisions get no credit and no entropy.
            rewards: finite, higher is better, in the order they were told.
        """
        clipped = [min(max(reward, -MOST), MOST) for reward in rewards]
        advantages = torch.tensor(self._advantages(clipped), dtype=torch.float32)
        chosen, entropy = scores(self.policy, torch.from_numpy(tokens), torch.from_numpy(active))
        loss = -(advantages * chosen + ENTROPY_BONUS * entropy).mean()
        self._adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._adam.step()

    def _advantages(self, rewards: Sequence[float]) -> list[float]:
        """Rewards above the baseline as it stood before the batch, which then takes them in."""
        if self._baseline is None:
            self._baseline = sum(rewards) / len(rewards)
        before = self._baseline
        for reward in rewards:
            self._baseline += (1 - BASELINE_DECAY) * (reward - self._baseline)
        return [reward - before for reward in rewards]


def scores(policy: Policy, tokens: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of each row, summed over the decisions that matter: [n] each."""
    logs = policy(tokens)
    chosen = [log.gather(1, tokens[:, t : t + 1])[:, 0] for t, log in enumerate(logs)]
    entropies = [-(log.exp() * log).sum(dim=1) for log in logs]
    return (
        (torch.stack(chosen, dim=1) * active).sum(dim=1),
        (torch.stack(entropies, dim=1) * active).sum(dim=1),
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Run on one thread, as sums in another order would give other weights; then as before."""
    with ALONE:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
