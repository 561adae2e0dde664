"""The training loop and the evaluation of exits, on a small network with two exits."""

import math
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from nas.data.dataset import Dataset, DataSpec, Split
from nas.data.load import load
from nas.errors import UserError
from nas.training.batches import batches_of, shuffled
from nas.training.errors import TrainingDiverged
from nas.training.evaluate import evaluate
from nas.training.optimisers import parameter_groups
from nas.training.recipe import Recipe, short_recipe
from nas.training.steps import hasten_norms
from nas.training.train import Trained, train
from nas.training.trial_checkpoint import TrialCheckpoint
from nas.training.weights import load_bytes, to_bytes
from search_spaces.blocks import BlockGraph, BlockSpec, Node
from search_spaces.network import StagedNetwork, initialise


@dataclass(frozen=True)
class Conv(BlockSpec):
    channels: int
    to: int

    def module(self) -> nn.Module:
        conv = nn.Conv2d(self.channels, self.to, 3, stride=2, padding=1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(self.to), nn.ReLU())


@dataclass(frozen=True)
class Head(BlockSpec):
    channels: int
    classes: int

    def module(self) -> nn.Module:
        flat = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.1))
        return nn.Sequential(flat, nn.Linear(4 * self.channels, self.classes))


def network(seed: int = 0, channels: int = 1) -> StagedNetwork:
    nodes = (
        Node("a", Conv(channels, 16), ("x",)),
        Node("early", Head(16, 10), ("a",)),
        Node("b", Conv(16, 32), ("a",)),
        Node("late", Head(32, 10), ("b",)),
    )
    made = StagedNetwork(BlockGraph((channels, 16, 16), 10, nodes, ("early", "late")))
    initialise(made, seed)
    return made


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load(DataSpec("digits", image=16))


@pytest.fixture(scope="module")
def few() -> Dataset:
    return load(DataSpec("digits", image=16, limit=65))


SHORT = Recipe(epochs=2, crop=1)


def test_few_epochs_read_the_digits(digits: Dataset) -> None:
    made = network()
    trained = train(made, digits, Recipe(epochs=4, crop=1), seed=0)
    found = evaluate(made, digits.held_out, digits.mean, digits.std)
    assert found.correct.mean(axis=0)[1] > 0.93
    assert len(trained.losses) == 4 and trained.losses[-1] < trained.losses[0] / 2


def trained_weights(few: Dataset, seed: int, recipe: Recipe = SHORT) -> bytes:
    made = network()
    train(made, few, recipe, seed)
    return to_bytes(made)


def test_the_same_seed_gives_the_same_weights_bit_for_bit(few: Dataset) -> None:
    recipe = replace(SHORT, flip=True)
    first = trained_weights(few, 3, recipe)
    torch.rand(7)  # whatever else the process drew
    assert trained_weights(few, 3, recipe) == first
    assert trained_weights(few, 4, recipe) != first


def test_training_leaves_torch_as_it_was(few: Dataset) -> None:
    made = network()
    torch.manual_seed(1)
    expected = torch.rand(1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.manual_seed(1)
        train(made, few, replace(SHORT, epochs=1), 0)
        assert torch.equal(torch.rand(1), expected)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_measurement_can_pause_every_batch(few: Dataset) -> None:
    entered: list[int] = []
    inside: list[bool] = []

    @contextmanager
    def pause() -> Iterator[None]:
        entered.append(torch.get_num_threads())
        inside.append(True)
        yield
        inside.pop()

    def on_epoch(checkpoint: TrialCheckpoint) -> None:
        assert not inside

    made = network()
    train(made, few, SHORT, 0, pause, on_epoch)
    assert entered == [1] * 4  # 65 images in batches of 32: 32 and 33, two epochs
    evaluate(made, few.held_out, few.mean, few.std, pause)
    assert len(entered) == 4 + 4  # 500 images in batches of 128
    assert not inside


def test_epochs_are_reported_with_their_mean_loss(few: Dataset) -> None:
    told: list[tuple[float, ...]] = []
    ticks = iter([10.0, 11.0, 13.0, 13.5])
    trained = train(
        network(), few, SHORT, 0, on_epoch=lambda c: told.append(c.losses), clock=ticks.__next__
    )
    assert trained == Trained(told[-1], 3.5)
    assert [len(losses) for losses in told] == [1, 2]
    assert 2 < told[0][0] < 12  # two exits, ten classes: about 2 ln 10 before anything is learnt


def test_a_diverging_loss_names_the_epoch(few: Dataset) -> None:
    with pytest.raises(TrainingDiverged, match="training diverged in epoch 1: not a finite"):
        train(network(), few, replace(SHORT, lr=1e30), 0)


class _LateNaN(StagedNetwork):
    """Loses its mind in the second epoch."""

    calls = 0

    def training_losses(self, x, y, label_smoothing=0.0):  # type: ignore[no-untyped-def]
        self.calls += 1
        losses = super().training_losses(x, y, label_smoothing)
        return [loss * math.nan for loss in losses] if self.calls > 2 else losses


def test_a_later_epoch_is_named_too(few: Dataset) -> None:
    made = _LateNaN(network().graph)
    with pytest.raises(TrainingDiverged, match="epoch 2"):
        train(made, few, SHORT, 0)


def test_a_divergence_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(TrainingDiverged("epoch 3")))
    assert isinstance(error, TrainingDiverged) and error.where == "epoch 3"


def test_an_exit_without_a_finite_answer_is_named(few: Dataset) -> None:
    made = network()
    with torch.no_grad():
        made.stages[1].get_parameter("blocks.1.1.bias")[3] = math.inf
    with pytest.raises(TrainingDiverged, match="evaluation, exit 1"):
        evaluate(made, few.held_out, few.mean, few.std)


def test_held_out_facts_are_those_of_the_softmax(few: Dataset) -> None:
    made = network(seed=5).eval()
    found = evaluate(made, few.held_out, few.mean, few.std)
    x = (few.held_out.images.float() / 255 - few.mean[0]) / few.std[0]
    with torch.no_grad():
        answers = [logits.softmax(1) for logits in made(x)]
    for index, probabilities in enumerate(answers):
        sure, label = probabilities.max(1)
        assert np.allclose(found.confidence[:, index], sure.numpy(), atol=2e-3)
        assert (found.correct[:, index] == (label == few.held_out.labels).numpy()).mean() > 0.99
    assert found.confidence.dtype == np.float16 and found.confidence.shape == (500, 2)


def test_a_single_image_can_be_evaluated(few: Dataset) -> None:
    one = Split(few.held_out.images[:1], few.held_out.labels[:1])
    assert evaluate(network(), one, few.mean, few.std).images == 1


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (10, 4, [(0, 4), (4, 8), (8, 10)]),
        (9, 4, [(0, 4), (4, 9)]),  # a batch of one would have no variance
        (8, 4, [(0, 4), (4, 8)]),
        (3, 4, [(0, 3)]),
    ],
)
def test_no_batch_has_one_image(count: int, size: int, expected: list[tuple[int, int]]) -> None:
    assert batches_of(count, size) == expected


def test_every_image_is_seen_once_an_epoch() -> None:
    rows = shuffled(33, 8, torch.Generator().manual_seed(0))
    assert sorted(torch.cat(rows).tolist()) == list(range(33))
    assert torch.cat(rows).tolist() != list(range(33))


def test_the_rate_rises_then_falls_towards_nothing() -> None:
    recipe = Recipe(epochs=4, lr=0.2)
    rates = [recipe.learning_rate(step, 100, 25) for step in range(100)]
    top = rates.index(max(rates))
    assert top == 9 and rates[top] == pytest.approx(0.2)
    assert all(a < b for a, b in pairwise(rates[: top + 1]))
    assert all(a > b for a, b in pairwise(rates[top:]))
    assert 0 < rates[-1] < 0.001
    assert Recipe(epochs=1).learning_rate(0, 1, 1) > 0  # one step alone still learns


def test_only_weights_decay() -> None:
    decayed, others = parameter_groups(network(), 0.1)
    assert decayed["weight_decay"] == 0.1 and others["weight_decay"] == 0.0
    assert len(decayed["params"]) == 4 and len(others["params"]) == 6  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"epochs": 0}, "recipe: epochs 0 must be 1 or more"),
        ({"batch_size": 1}, "recipe: batch_size 1 must be 2 or more"),
        ({"lr": math.nan}, "recipe: lr nan must be above 0"),
        ({"momentum": 1.0}, "recipe: momentum 1.0 must be between 0 and 1"),
        ({"schedule": "steps"}, "recipe: schedule 'steps' must be one of cosine"),
    ],
)
def test_a_wrong_number_in_a_recipe_is_told(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        Recipe.from_json({"epochs": 1} | wrong)


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(epochs=3, flip=True, label_smoothing=0.1)
    assert Recipe.from_json(recipe.to_json()) == recipe
    with pytest.raises(UserError, match="recipe: unknown key 'rate'"):
        Recipe.from_json({"epochs": 3, "rate": 1})


def test_only_colour_images_are_mirrored_in_a_trial() -> None:
    assert not short_recipe((1, 32, 32), None, 900).flip
    colour = short_recipe((3, 64, 48), 7, 5000)
    assert colour.flip and colour.epochs == 7 and colour.crop == 3


def test_weights_come_back_as_they_were(few: Dataset) -> None:
    made, other = network(seed=1), network(seed=2)
    train(made, few, replace(SHORT, epochs=1), 0)
    load_bytes(other, to_bytes(made))
    for name, tensor in made.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


@pytest.mark.parametrize("weights", [b"", b"hello", to_bytes(nn.Linear(2, 3))])
def test_weights_of_something_else_are_told(weights: bytes) -> None:
    with pytest.raises(UserError, match="weights do not fit the network: ") as error:
        load_bytes(network(), weights)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250 and "StagedNetwork" not in str(error.value)


@pytest.mark.parametrize(
    ("momentum", "steps", "used"),
    [
        (0.01, 100, 0.1),
        (0.01, 500, 0.02),
        (0.01, 100_000, 0.01),
        (0.1, 100_000, 0.1),
        (0.2, 1, 0.2),
    ],
)
def test_norms_follow_a_training_however_short(momentum: float, steps: int, used: float) -> None:
    made = nn.Sequential(nn.BatchNorm2d(3, momentum=momentum), nn.ReLU())
    hasten_norms(made, steps)
    assert made[0].momentum == pytest.approx(used)
