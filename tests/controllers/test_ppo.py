"""PPO learns from rewards, imitates the best, and weighs what older policies proposed."""

import numpy as np
import optuna
import pytest
import torch

import controllers
from controllers.history import Reader
from controllers.policy import Policy, scores
from controllers.ppo import Ppo
from controllers.ppo_learner import STALE, Batch, PpoLearner
from tests.controllers.simulated import OPTIONS, ToyCost, ToySpace, accuracy, search


def batch(tokens: list[list[int]], advantages: list[float], made_by: int = -1) -> Batch:
    rows = np.array(tokens)
    active = np.ones(rows.shape, dtype=bool)
    return Batch(rows, active, np.array(advantages), np.full(len(rows), made_by))


def likelihood(policy: Policy, tokens: list[int]) -> float:
    rows = torch.tensor([tokens])
    return float(scores(policy, rows, torch.ones_like(rows, dtype=torch.bool))[0].detach())


@pytest.mark.parametrize("advantages", [[-1.0, 1.0], [0.0, 0.0]])
def test_what_paid_becomes_likelier_and_the_best_are_imitated(advantages: list[float]) -> None:
    learner = PpoLearner((3, 4), seed=0)
    start = learner.copy()
    best = (np.array([[2, 3]]), np.ones((1, 2), dtype=bool))
    for look in (5, 10, 15):
        learner.learn(batch([[0, 1], [2, 3]], advantages), best, look)
    paid, other = (
        likelihood(learner.policy, tokens) - likelihood(start.policy, tokens)
        for tokens in ([2, 3], [0, 1])
    )
    assert paid > 0 > other


def test_results_of_an_older_policy_count_by_how_likely_they_are_now() -> None:
    learner = PpoLearner((3, 4), seed=0)
    best = (np.array([[2, 3]]), np.ones((1, 2), dtype=bool))
    rows = batch([[0, 1], [2, 3]], [1.0, 1.0], made_by=5)

    def weights(given: Batch) -> np.ndarray:
        both = [likelihood(learner.policy, tokens) for tokens in ([0, 1], [2, 3])]
        return learner._weights(given, torch.tensor(both))

    learner.learn(batch([[0, 1], [2, 3]], [-1.0, 1.0]), best, look=5)
    np.testing.assert_allclose(weights(rows), [1, 1], rtol=1e-5)  # proposed by this very policy
    for look in range(10, 30, 5):
        learner.learn(batch([[0, 1], [2, 3]], [-1.0, 1.0]), best, look)
    unlikely, likely = weights(rows)
    assert unlikely < 0.7
    assert likely == pytest.approx(STALE)
    np.testing.assert_array_equal(weights(batch([[0, 1], [2, 3]], [1.0, 1.0])), [1, 1])


def test_an_empty_batch_leaves_imitation_alone() -> None:
    learner = PpoLearner((3, 4), seed=0)
    nothing = Batch(
        np.zeros((0, 2), dtype=np.int64), np.zeros((0, 2), dtype=bool), np.zeros(0), np.zeros(0)
    )
    learner.learn(nothing, (np.array([[2, 3]]), np.ones((1, 2), dtype=bool)), look=5)
    assert all(torch.isfinite(weight).all() for weight in learner.policy.parameters())


def test_trials_that_a_user_enqueued_are_no_proposals_of_the_policy() -> None:
    """All of the first twelve: nothing was drawn, and what is learnt from stays finite."""
    study = optuna.create_study(
        direction="maximize",
        sampler=controllers.make("ppo", space=ToySpace(), seed=0, screening=False),
    )
    for number in range(12):
        turned = {name: options[number % len(options)] for name, options in OPTIONS.items()}
        study.enqueue_trial(turned)
    for _ in range(20):
        trial = study.ask(ToySpace().distributions())
        study.tell(trial, accuracy(trial.params))
    assert len({str(trial.params) for trial in study.trials}) == 20


@pytest.mark.parametrize("screening", [True, False])
def test_imitated_are_distinct_networks_within_the_bounds(screening: bool) -> None:
    """One lucky network was trained thrice and the widest, beyond the bounds, are the best."""
    space, study = ToySpace(), optuna.create_study(direction="maximize")
    last = {name: options[-1] for name, options in OPTIONS.items()}
    told = [last | {"width": width, "depth": depth} for width in (32, 64) for depth in range(1, 5)]
    for params in [*told, told[3], told[3]]:
        study.add_trial(
            optuna.create_trial(
                params=params, distributions=space.distributions(), value=accuracy(params)
            )
        )
    cost = ToyCost(bound_ms=2.0)
    history = Reader().history(study, None, space, cost)
    imitated = Ppo(space, cost, 0, screening, startup=2)._imitated(history, len(history.lessons))
    assert {each.key for each in imitated} == {space.architecture(each).key for each in told[:4]}
    assert len(imitated) == 4


def test_screened_imitation_follows_what_is_believed_and_not_luck() -> None:
    """Of networks that are worth their width one narrow one was lucky."""
    space, study = ToySpace(), optuna.create_study(direction="maximize")
    rng = np.random.default_rng(0)
    for number in range(80):
        params = {name: options[rng.integers(len(options))] for name, options in OPTIONS.items()}
        worth = OPTIONS["width"].index(params["width"]) + 0.3 * rng.normal()
        if number == 20:
            params["width"], worth = 16, 2.4
        study.add_trial(
            optuna.create_trial(params=params, distributions=space.distributions(), value=worth)
        )
    history = Reader().history(study, None, space)
    plain, screened = (
        {each.key for each in Ppo(space, None, 0, screening, startup=2)._imitated(history, 80)}
        for screening in (False, True)
    )
    lucky = history.lessons[20].architecture.key
    assert lucky in plain - screened


def test_inactive_decisions_get_no_credit() -> None:
    learner = PpoLearner((3, 4), seed=0)
    head = learner.policy.head.weight.detach().clone()
    given = batch([[0, 1], [2, 3]], [-1.0, 1.0])
    masked = Batch(given.tokens, np.array([[True, False]] * 2), given.advantages, given.made_by)
    learner.learn(masked, (given.tokens, masked.active), look=5)
    changed = (learner.policy.head.weight != head).any(dim=1)
    assert changed[:3].any()
    assert not changed[3:].any()


def test_many_draws_follow_the_probabilities_that_training_sees() -> None:
    policy = Policy((3, 4), seed=1)
    with torch.no_grad():
        policy.head.bias.add_(torch.linspace(0, 1.5, 7))
    drawn = policy.draw(np.random.default_rng(0).random((4000, 2)))
    for tokens in ([0, 0], [2, 3], [1, 2]):
        share = (drawn == tokens).all(axis=1).mean()
        assert share == pytest.approx(np.exp(likelihood(policy, tokens)), abs=0.02)


def test_one_draw_of_many_is_the_rollout() -> None:
    policy, uniforms = Policy((3, 4, 2), seed=1), np.random.default_rng(0).random((20, 3))
    rows = policy.draw(uniforms)
    for row, uniform in zip(rows, uniforms, strict=True):
        assert policy.rollout(uniform, lambda tokens: True) == tuple(row)


def test_without_screening_it_learns_too() -> None:
    gains = []
    for seed in range(3):
        kept = controllers.make("ppo", space=ToySpace(), seed=seed, screening=False)
        study, _ = search(lambda kept=kept: kept, trials=80)  # type: ignore[misc]
        values = [accuracy(trial.params) for trial in study.trials]
        gains.append(np.mean(values[-40:-10]) - np.mean(values[:10]))
    assert np.mean(gains) > 0.1


def test_a_kept_learner_is_one_made_anew() -> None:
    kept = controllers.make("ppo", space=ToySpace(), seed=5)
    long, _ = search(lambda: kept, trials=32)
    fresh, _ = search(lambda: controllers.make("ppo", space=ToySpace(), seed=5), trials=32)
    assert [t.params for t in long.trials] == [t.params for t in fresh.trials]


def test_what_a_user_enqueued_is_taken_into_account() -> None:
    study = optuna.create_study(
        direction="maximize", sampler=controllers.make("ppo", space=ToySpace(), seed=0)
    )
    best = {name: options[-1] for name, options in OPTIONS.items()}
    study.enqueue_trial(best)
    for _ in range(25):
        trial = study.ask(ToySpace().distributions())
        study.tell(trial, accuracy(trial.params))
    assert study.trials[0].params == best
    keys = {ToySpace().architecture(trial.params).key for trial in study.trials}
    assert len(keys) == 25


def test_screening_is_a_bool() -> None:
    with pytest.raises(controllers.ControllerError, match="screening 'no': it must be true or"):
        controllers.make("ppo", screening="no")
