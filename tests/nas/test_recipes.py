"""The named recipes against their papers' constants, and their pieces against plain arithmetic."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nas import recipes
from nas.errors import UserError
from nas.training.average import Average
from nas.training.optimisers import RMSPropTF, optimiser
from nas.training.recipe import Recipe

PER_EPOCH = 100  # steps


def rate(name: str, epoch: float, epochs: int | None = None) -> float:
    """The learning rate `epoch` epochs after the start."""
    recipe = recipes.named(name)
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    steps = PER_EPOCH * recipe.epochs
    return recipe.learning_rate(round(epoch * PER_EPOCH), steps, PER_EPOCH)


@pytest.mark.parametrize(
    ("name", "epoch", "expected"),
    [
        ("msdnet", 0, 0.1),
        ("msdnet", 149.99, 0.1),
        ("msdnet", 150, 0.01),
        ("msdnet", 224.99, 0.01),
        ("msdnet", 225, 0.001),
        ("msdnet", 299.99, 0.001),
        ("densenet", 149.99, 0.1),
        ("densenet", 150, 0.01),
        ("densenet", 225, 0.001),
        ("inception", 0, 0.045),
        ("inception", 1.99, 0.045),
        ("inception", 2, 0.045 * 0.94),
        ("inception", 5, 0.045 * 0.94**2),
        ("inception", 99.99, 0.045 * 0.94**49),
        ("shufflenet", 0, 0.5),
        ("shufflenet", 60, 0.375),
        ("shufflenet", 120, 0.25),
        ("shufflenet", 239.99, 0.5 / 24000),
        ("mnasnet", 0, 0.064 / 500),
        ("mnasnet", 2.49, 0.064 / 2),
        ("mnasnet", 4.99, 0.064),
        ("mnasnet", 7.19, 0.064 * 0.97**2),
        ("mnasnet", 7.2, 0.064 * 0.97**3),
        ("mnasnet", 349.99, 0.064 * 0.97**145),
        ("default", 0, 0.1 / 100),
        ("default", 0.99, 0.1),
        ("default", 1 + 29 / 2 - 0.01, 0.05),
    ],
)
def test_the_rate_is_the_published_one(name: str, epoch: float, expected: float) -> None:
    assert rate(name, epoch) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(
    ("name", "epoch", "expected"),
    [
        ("msdnet", 4.99, 0.1),
        ("msdnet", 5, 0.01),
        ("msdnet", 7.5, 0.001),
        ("inception", 0.19, 0.045),
        ("inception", 0.2, 0.045 * 0.94),
        ("shufflenet", 5, 0.25),
        ("mnasnet", 0.13, 0.064),
        ("mnasnet", 9.99, 0.064 * 0.97**145),
    ],
)
def test_ten_epochs_have_the_same_form(name: str, epoch: float, expected: float) -> None:
    assert rate(name, epoch, epochs=10) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("msdnet", {"epochs": 300, "batch_size": 64, "momentum": 0.9, "weight_decay": 1e-4}),
        ("densenet", {"epochs": 300, "batch_size": 64, "nesterov": True, "weight_decay": 1e-4}),
        (
            "inception",
            {"optimiser": "rmsprop", "rms_decay": 0.9, "rms_eps": 1.0, "clip": 2.0, "epochs": 100}
            | {"label_smoothing": 0.1, "batch_size": 32},
        ),
        ("shufflenet", {"weight_decay": 4e-5, "decay_all": False, "label_smoothing": 0.1}),
        (
            "mnasnet",
            {"optimiser": "rmsprop", "rms_decay": 0.9, "momentum": 0.9, "weight_decay": 1e-5}
            | {"dropout": 0.2, "average": 0.9999, "label_smoothing": 0.1, "epochs": 350},
        ),
    ],
)
def test_constants_are_the_published_ones(name: str, constants: dict[str, object]) -> None:
    known = recipes.named(name).to_json()
    assert {key: known[key] for key in constants} == constants


def test_shufflenets_epochs_are_its_steps_on_imagenet() -> None:
    recipe = recipes.named("shufflenet")
    assert 300_000 * recipe.batch_size / 1_281_167 == pytest.approx(recipe.epochs, rel=0.01)


def test_mnasnets_rate_belongs_to_its_batch_as_in_the_paper() -> None:
    paper = recipes.suited(recipes.named("mnasnet"), (3, 32, 32), batch_size=4096)
    assert paper.lr == pytest.approx(0.256)


@pytest.mark.parametrize("name", recipes.TABLE)
def test_every_recipe_survives_json_and_short_trainings(name: str) -> None:
    recipe = recipes.suited(recipes.named(name), (1, 28, 28), epochs=1, batch_size=16)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert not recipe.flip and recipe.crop in (3, 4)
    assert all(0 < recipe.learning_rate(step, 3, 3) < 1 for step in range(3))


def test_a_given_rate_is_taken_as_it_is() -> None:
    assert recipes.suited(recipes.named("msdnet"), (3, 32, 32), batch_size=32).lr == 0.05
    assert recipes.suited(recipes.named("msdnet"), (3, 32, 32), batch_size=32, lr=0.3).lr == 0.3


def test_an_unknown_recipe_names_the_closest() -> None:
    with pytest.raises(UserError, match=r"unknown recipe 'msdnt', did you mean 'msdnet'\?"):
        recipes.named("msdnt")
    with pytest.raises(UserError, match="batch size 1: must be 2 or more"):
        recipes.suited(recipes.named("msdnet"), (3, 32, 32), batch_size=1)


@given(st.sampled_from(sorted(recipes.TABLE)), st.integers(1, 400), st.integers(1, 50), st.data())
def test_no_rate_is_zero_or_above_the_highest(
    name: str, epochs: int, per_epoch: int, data: st.DataObject
) -> None:
    recipe, steps = replace(recipes.named(name), epochs=epochs), epochs * per_epoch
    step = data.draw(st.integers(0, steps - 1))
    assert 0 < recipe.learning_rate(step, steps, per_epoch) <= recipe.lr * (1 + 1e-12)


@pytest.mark.parametrize("eps", [1.0, 1e-3])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_rmsprop_is_tensorflows(eps: float, weight_decay: float) -> None:
    value = torch.tensor([1.5, -0.25], requires_grad=True)
    group: dict[str, object] = {"params": [value], "weight_decay": weight_decay}
    made = RMSPropTF([group], lr=0.1, decay=0.9, momentum=0.8, eps=eps)
    p, s, m = [1.5, -0.25], [1.0, 1.0], [0.0, 0.0]
    for _ in range(5):
        made.zero_grad()
        (value**3).sum().backward()
        made.step()
        for i in range(2):
            g = 3 * p[i] ** 2 + weight_decay * p[i]
            s[i] = 0.9 * s[i] + 0.1 * g * g
            m[i] = 0.8 * m[i] + 0.1 * g / math.sqrt(s[i] + eps)
            p[i] -= m[i]
        assert value.tolist() == pytest.approx(p, rel=1e-5)


@pytest.mark.parametrize("decay_all", [False, True])
def test_which_parameters_decay(decay_all: bool) -> None:
    recipe = Recipe(epochs=1, weight_decay=0.1, decay_all=decay_all)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    decayed = {
        id(p) for g in optimiser(net, recipe).param_groups if g["weight_decay"] for p in g["params"]
    }
    assert {id(p) for p in net.parameters() if decay_all or p.ndim > 1} == decayed


def test_the_average_is_tensorflows_with_statistics_and_counters() -> None:
    norm = nn.BatchNorm2d(1)
    average = Average(norm, 0.5)
    expected, variance = 1.0, 1.0
    for n in range(1, 12):
        with torch.no_grad():
            norm.weight.fill_(float(n))
            norm.running_var.fill_(n / 2)
            norm.num_batches_tracked.fill_(n)
        average.update(norm)
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * n
        variance = decay * variance + (1 - decay) * n / 2
    with average.applied(norm):
        assert norm.weight.item() == pytest.approx(expected)
        assert norm.running_var.item() == pytest.approx(variance)
        assert norm.num_batches_tracked.item() == 11
    assert norm.weight.item() == 11.0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"optimiser": "adam"}, "optimiser 'adam' must be one of sgd, rmsprop"),
        ({"momentum": 0.0}, "momentum 0.0 must be between 0 and 1"),
        ({"average": 1.0}, "average 1.0 must be between 0 and 1"),
        ({"milestones": [0.5, 1.5]}, r"milestones \(0.5, 1.5\) must be fractions"),
        ({"exit_weights": [0, 0]}, r"exit_weights \(0, 0\) must be 0 or more, one of them above"),
        ({"dropout": 1.0}, "dropout 1.0 must be 0 or more and below 1"),
    ],
)
def test_a_wrong_number_is_told(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        Recipe.from_json({"epochs": 1} | wrong)
    Recipe(epochs=1, nesterov=False, momentum=0.0)  # plain descent needs none
