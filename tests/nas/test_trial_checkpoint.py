"""A trial that is left after an epoch and taken up, and bytes that are not whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load

from nas import plugins
from nas.kept_checkpoints import FOLDER, KeptCheckpoints
from nas.room import Room
from nas.training import trial_checkpoint
from nas.training.average import Average
from nas.training.train import train
from nas.training.trial import cached, run
from nas.training.trial_checkpoint import Unusable
from nas.training.weights import to_bytes
from tests.nas.test_executors import job


def left_after(trial: Any, epoch: int) -> bytes:
    told: dict[int, bytes] = {}

    def heard(losses: tuple[float, ...], left: bytes | None) -> None:
        if left is not None:
            told[len(losses)] = left

    run(trial, on_epoch=heard)
    return told[epoch]


@pytest.mark.parametrize("recipe", [{}, {"average": 0.9, "optimiser": "rmsprop", "lr": 0.01}])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_trial_that_is_taken_up_ends_as_if_it_had_not_been_left(
    recipe: dict[str, Any], epoch: int
) -> None:
    trial = job(3, epochs=3, **recipe)
    whole, parts = run(trial), run(trial, begun=left_after(trial, epoch))
    assert parts.weights == whole.weights
    assert parts.losses == whole.losses
    assert (parts.held_out.confidence == whole.held_out.confidence).all()


@pytest.mark.parametrize("recipe", [{}, {"average": 0.9}])
def test_a_trial_is_judged_at_a_rung_and_goes_on_from_there(recipe: dict[str, Any]) -> None:
    trial = job(3, epochs=3, **recipe)
    rung = run(replace(trial, until=2))
    assert (rung.epochs, len(rung.losses)) == (2, 2)
    assert rung.left is not None
    assert run(trial, begun=rung.left).weights == run(trial).weights
    again = run(replace(trial, until=2), begun=rung.left)  # nothing is left to train
    assert again.weights == rung.weights
    assert again.left == rung.left


def test_a_rung_judges_the_average_of_steps_that_are_the_same() -> None:
    trial = job(3, epochs=3, batch_size=16)
    data, space = cached(trial.data), plugins.space(trial.space)
    architecture = space.from_json(trial.architecture)
    network = space.build(architecture, data.image, len(data.classes), trial.seed)
    count = -(-len(data.train) // 16)
    average, passed = Average(network, 1 - 1 / count), 0

    @contextmanager
    def averaging() -> Iterator[None]:
        nonlocal passed
        yield
        passed += 1
        if passed <= 2 * count:  # the rest is the whole training's
            average.update(network)

    trained = train(network, data, trial.recipe, trial.seed, pause=averaging)
    rung = run(replace(trial, until=2))
    assert rung.losses == trained.losses[:2]
    assert load(rung.weights).keys() == average.values.keys()
    for name, value in load(rung.weights).items():
        assert torch.equal(value, average.values[name].contiguous())
    assert run(trial).weights == to_bytes(network)


def test_one_left_without_an_average_is_averaged_from_there() -> None:
    trial = job(3, epochs=3)
    whole = left_after(trial, 1)  # as a training that was to go to its end leaves it
    rung = run(replace(trial, until=2), begun=whole)
    assert rung.epochs == 2
    assert run(trial, begun=rung.left).weights == run(trial).weights


def test_another_training_s_checkpoint_is_passed_over() -> None:
    mine, other = job(3, epochs=2), job(4, epochs=2)
    assert run(mine, begun=left_after(other, 1)).weights == run(mine).weights
    with pytest.raises(Unusable, match="another training"):
        trial_checkpoint.from_bytes(mine, left_after(other, 1))


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_change_of_a_checkpoint_is_found(count: int) -> None:
    trial = job(3, epochs=2)
    data = left_after(trial, 1)
    rng = np.random.default_rng(0)
    for _ in range(count):
        at = int(rng.integers(len(data)))
        changed = bytes([data[at] ^ int(rng.integers(1, 256))])
        torn = data[:at] if rng.random() < 0.3 else data[:at] + changed + data[at + 1 :]
        with pytest.raises(Unusable):
            trial_checkpoint.epochs(trial.digest, torn)


def test_the_one_before_serves_where_the_last_is_damaged(tmp_path: Path) -> None:
    trial, kept = job(3, epochs=4), KeptCheckpoints(tmp_path, Room(print, lambda: None))
    for epoch in (1, 2, 3):
        kept.keep(7, left_after(trial, epoch), epoch)
    names = sorted(path.name for path in (tmp_path / FOLDER).iterdir())
    assert names == ["00007-2.ckpt", "00007-3.ckpt"]
    last = tmp_path / FOLDER / "00007-3.ckpt"
    last.write_bytes(last.read_bytes()[:-1])
    assert kept.find(7, trial) == (tmp_path / FOLDER / "00007-2.ckpt").read_bytes()
    assert kept.find(7, job(4, epochs=4)) is None
    kept.drop(7)
    assert kept.find(7, trial) is None


def test_what_belongs_to_no_trial_goes(tmp_path: Path) -> None:
    trial, kept = job(3, epochs=2), KeptCheckpoints(tmp_path, Room(print, lambda: None))
    data = left_after(trial, 1)
    for number in (1, 2):
        kept.keep(number, data, 1)
    (tmp_path / FOLDER / ".00002-1.ckpt.half").write_bytes(b"")
    kept.drop_others(frozenset({2}))
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["00002-1.ckpt"]
