"""The policy learns, forgets nothing that it can recompute, and leaves the process alone."""

import random
from copy import deepcopy
from typing import Any, Literal

import numpy as np
import optuna
import pytest
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState

import controllers
from controllers.policy import Learner, Policy, one_thread
from tests.controllers.simulated import (
    CONDITIONS,
    OPTIONS,
    ToySpace,
    accuracy,
    ask,
    replayed,
    search,
)


def made(seed: int = 0) -> optuna.samplers.BaseSampler:
    return controllers.make("reinforce", space=ToySpace(), seed=seed)


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))]
)
def test_learns_a_hidden_target(seed: int) -> None:
    """12 decisions of 4 options, the reward is the share that matches: chance is 0.25."""
    hidden = np.random.default_rng(100 + seed).integers(0, 4, 12)
    decisions: dict[str, BaseDistribution] = {
        f"d{i:02}": CategoricalDistribution(range(4)) for i in range(12)
    }
    study = optuna.create_study(
        direction="maximize", sampler=controllers.make("reinforce", seed=seed)
    )
    for _ in range(300):
        trial = study.ask(decisions)
        study.tell(trial, float(np.mean(np.array(list(trial.params.values())) == hidden)))
    values = [trial.value for trial in study.trials if trial.value is not None]
    assert np.mean(values[:20]) < 0.4
    assert np.mean(values[-20:]) > np.mean(values[:20]) + 0.25


def test_minimising_is_maximising_the_negative() -> None:
    def proposals(direction: Literal["minimize", "maximize"], sign: float) -> list[dict[str, Any]]:
        study = optuna.create_study(direction=direction, sampler=made())
        for _ in range(25):
            trial = study.ask(ToySpace().distributions())
            study.tell(trial, sign * accuracy(trial.params))
        return [trial.params for trial in study.trials]

    assert proposals("minimize", -1.0) == proposals("maximize", 1.0)
    assert proposals("minimize", 1.0) != proposals("maximize", 1.0)


def test_inactive_decisions_take_their_first_option() -> None:
    kept = made(1)
    study, _ = search(lambda: kept, trials=50)
    for trial in study.trials:
        for name in OPTIONS.keys() - ToySpace().active(trial.params):
            assert trial.params[name] == OPTIONS[name][0]
    for name, (on, option) in CONDITIONS.items():
        taken = {trial.params[name] for trial in study.trials if trial.params[on] == option}
        assert len(taken) > 1


def test_each_batch_is_learnt_once_by_a_kept_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt = []
    learn = Learner.learn

    def counted(learner: Learner, tokens: Any, active: Any, rewards: Any) -> None:
        learnt.append(len(rewards))
        learn(learner, tokens, active, rewards)

    monkeypatch.setattr(Learner, "learn", counted)
    kept = made()
    search(lambda: kept, trials=41)
    assert learnt == [10] * 4


def test_a_proposal_knows_only_what_was_told_when_it_was_asked() -> None:
    study, _ = search(made, trials=61)
    trials = study.trials[:60]
    altered = [deepcopy(trial) for trial in trials]
    for trial in altered[10:]:
        trial.value = -1.0

    def asked(told: list[optuna.trial.FrozenTrial], after: int) -> dict[str, Any]:
        return ask(replayed(told), made(), after).params

    assert asked(altered, 10) == asked(trials, 10)
    assert asked(altered, 60) != asked(trials, 60)


def test_failed_pruned_and_infinite_trials_teach_nothing() -> None:
    study, _ = search(made, trials=31)
    proposals = []
    for state, value in (
        (TrialState.FAIL, None),
        (TrialState.PRUNED, None),
        (TrialState.COMPLETE, float("inf")),
    ):
        trials = study.get_trials()[:30]
        for trial in trials[10:20]:
            trial.state, trial.value = state, value
        proposals.append(ask(replayed(trials), made(), 30).params)
    assert proposals[0] == proposals[1] == proposals[2]


def test_fixed_decisions_are_kept() -> None:
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        sampler = optuna.samplers.PartialFixedSampler({"op": "shuffle"}, made())
    study, _ = search(lambda: sampler, trials=12)
    assert {trial.params["op"] for trial in study.trials} == {"shuffle"}


def test_several_objectives_are_refused_in_one_line() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=made())
    with pytest.raises(
        controllers.ControllerError, match="one objective and this study has 2"
    ) as e:
        study.ask(ToySpace().distributions())
    assert "\n" not in str(e.value)


def test_global_random_state_and_threads_are_left_alone() -> None:
    def state() -> tuple[Any, ...]:
        return (
            random.getstate(),
            np.random.get_state()[1].tolist(),  # type: ignore[index]
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
        )

    before = state()
    search(made, trials=12)
    assert state() == before


def test_a_policy_starts_nearly_uniform_and_sums_to_one() -> None:
    policy = Policy((3, 1, 4), seed=0)
    for count, log in zip((3, 1, 4), policy(torch.zeros((2, 3), dtype=torch.long)), strict=True):
        assert log.shape == (2, count)
        torch.testing.assert_close(log.exp(), torch.full((2, count), 1 / count), atol=0.2, rtol=0)
        torch.testing.assert_close(log.exp().sum(dim=1), torch.ones(2))


def test_rollouts_follow_the_probabilities_that_training_sees() -> None:
    policy = Policy((3, 4), seed=1)
    with torch.no_grad():
        policy.head.bias.add_(torch.linspace(0, 1.5, 7))
        expected = policy(torch.zeros((1, 2), dtype=torch.long))[0][0].exp()
    rng = np.random.default_rng(0)
    with one_thread():
        drawn = [policy.rollout(rng.random(2), lambda tokens: True)[0] for _ in range(600)]
    shares = np.bincount(drawn, minlength=3) / 600
    np.testing.assert_allclose(shares, expected.numpy(), atol=0.07)


def test_inactive_decisions_get_no_credit() -> None:
    learner = Learner((3, 4), seed=0)
    head = learner.policy.head.weight.detach().clone()
    tokens = np.array([[0, 1], [2, 3]])
    learner.learn(tokens, np.array([[True, False], [True, False]]), [0.0, 1.0])
    changed = (learner.policy.head.weight != head).any(dim=1)
    assert changed[:3].all()
    assert not changed[3:].any()


def test_a_rewarded_choice_becomes_likelier_and_a_copy_learns_alone() -> None:
    learner = Learner((3, 4), seed=0)
    start = learner.copy()
    tokens, active = np.array([[0, 1], [2, 3]]), np.ones((2, 2), dtype=bool)
    learner.learn(tokens, active, [0.0, 1.0])
    first = torch.from_numpy(tokens)
    gains = learner.policy(first)[0] - start.policy(first)[0]
    assert gains[0, 2] > 0 > gains[0, 0]
    start.learn(tokens, active, [0.0, 1.0])
    for mine, copied in zip(learner.policy.parameters(), start.policy.parameters(), strict=True):
        assert torch.equal(mine, copied)
