"""A trial that is left after an epoch and taken up, and bytes that are not whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.kept_checkpoints import FOLDER, KeptCheckpoints
from nas.room import Room
from nas.training import trial_checkpoint
from nas.training.trial import run
from nas.training.trial_checkpoint import Unusable
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


def test_a_trial_is_judged_at_a_rung_and_goes_on_from_there() -> None:
    trial = job(3, epochs=3, average=0.9)
    rung = run(replace(trial, until=2))
    assert (rung.epochs, len(rung.losses)) == (2, 2)
    assert rung.left is not None
    assert run(trial, begun=rung.left).weights == run(trial).weights
    again = run(replace(trial, until=2), begun=rung.left)  # nothing is left to train
    assert again.weights == rung.weights
    assert again.left == rung.left


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
