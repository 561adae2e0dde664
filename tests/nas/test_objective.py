import pytest

from nas.errors import UserError
from nas.exits import best_policy, cheapest_policy
from nas.objective import Objective
from nas.rewards import Reward
from tests.nas.made_up import measurement

REWARD = Reward.soft(2.0)


def test_the_reward_is_one_value_to_maximise():
    objective = Objective.parse("reward", REWARD)
    measured = measurement()
    seen = best_policy(measured, REWARD)
    assert objective.directions == ("maximize",)
    assert objective.view(measured) == seen
    assert objective.values(measured) == (REWARD(seen.accuracy, seen.latency_ms),)


@pytest.mark.parametrize(
    ("text", "facts", "directions"),
    [
        ("pareto", ("accuracy", "latency_ms"), ("maximize", "minimize")),
        ("pareto:latency_ms,accuracy", ("latency_ms", "accuracy"), ("minimize", "maximize")),
        (
            "pareto: accuracy, latency_ms, parameters",
            ("accuracy", "latency_ms", "parameters"),
            ("maximize", "minimize", "minimize"),
        ),
    ],
)
def test_pareto_names_facts_in_order(text, facts, directions):
    objective = Objective.parse(text)
    assert (objective.facts, objective.directions) == (facts, directions)
    measured = measurement(parameters=77)
    seen = cheapest_policy(measured)
    known = {"accuracy": seen.accuracy, "latency_ms": seen.latency_ms, "parameters": 77.0}
    assert objective.values(measured) == tuple(known[fact] for fact in facts)


@pytest.mark.parametrize("text", ["reward", "pareto:accuracy,latency_ms,parameters"])
def test_its_text_is_read_back(text):
    objective = Objective.parse(text, REWARD)
    assert Objective.parse(str(objective), REWARD) == objective
    assert str(objective) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pareto:speed,accuracy", "no fact 'speed'; there are accuracy, latency_ms, parameters"),
        ("pareto:accuracy", "name two or three different facts"),
        ("pareto:accuracy,accuracy", "name two or three different facts"),
        ("pareto:", "no fact ''"),
        ("rewards", "choose 'reward', 'pareto' or"),
        ("reward:accuracy", "choose 'reward', 'pareto' or"),
        ("", "choose 'reward', 'pareto' or"),
    ],
)
def test_a_mistake_is_one_clear_line(text, said):
    with pytest.raises(UserError) as caught:
        Objective.parse(text, REWARD)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"objective {text!r}: ")


def test_reward_mode_needs_a_target():
    with pytest.raises(UserError, match="needs a target latency"):
        Objective.parse("reward")
