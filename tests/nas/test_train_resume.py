"""Trainings that are killed or stopped, in processes of their own, and go on."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.cli.main import main
from nas.config import Config, save
from nas.data.dataset import DataSpec
from nas.data.load import load
from nas.errors import UserError
from nas.training import checkpoint, curves, full
from nas.training.checkpoint import FILE
from nas.training.full import Listener, train_fully
from nas.training.hook import Hook
from nas.training.recipe import Recipe
from tests.nas import small_set
from tests.nas.small_msd import SMALL
from tests.nas.test_train import network

PATIENCE = 120  # seconds until a training that does nothing fails its test
SPEC = DataSpec(str(small_set.PATH), image=16, limit=80)
WEIGHTS = "weights.safetensors"
RECIPES = {
    "sgd": Recipe(epochs=6, crop=1),
    "rmsprop": Recipe(
        epochs=6, lr=0.01, optimiser="rmsprop", average=0.9999, dropout=0.3, clip=2.0, distill=0.5,
        schedule="exponential", gamma=0.9, decay_every=0.1, crop=1,
    ),
}  # fmt: skip
TRAINER = """
import sys, time
from pathlib import Path
from nas.data.load import load
from nas.training.full import Listener, train_fully
from tests.nas.test_train import network
from tests.nas.test_train_resume import RECIPES, SPEC
slow = Listener(check=lambda: time.sleep(0.02))  # or it would be over before it is killed
train_fully(network(), load(SPEC), RECIPES[sys.argv[1]], 5, Path(sys.argv[2]), listener=slow)
"""
COMMAND = "import sys; from nas.cli.main import main; sys.exit(main())"


@contextlib.contextmanager
def process(code: str, *arguments: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    where = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd, env=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as started:  # fmt: skip
        try:
            yield started
        finally:
            started.kill()


def wait_for_epochs(folder: Path, count: int, training: subprocess.Popen[str]) -> None:
    """Returns once `curves.csv` has that many epochs."""
    end = time.monotonic() + PATIENCE
    while not (path := folder / "curves.csv").exists() or path.read_text().count("\n") <= count:
        assert training.poll() is None, training.communicate()[1]
        assert time.monotonic() < end, "the training does nothing"
        time.sleep(0.005)


@pytest.mark.parametrize("recipe", ["rmsprop", pytest.param("sgd", marks=pytest.mark.slow)])
def test_killed_in_the_middle_it_ends_with_the_same_weights(recipe: str, tmp_path: Path) -> None:
    data = load(SPEC)
    whole = train_fully(network(), data, RECIPES[recipe], 5, tmp_path / "whole")
    cut = tmp_path / "cut"
    with process(TRAINER, recipe, str(cut)) as training:
        wait_for_epochs(cut, 2, training)
        training.send_signal(signal.SIGKILL)
        training.wait()
    (cut / f".{FILE}.half").write_bytes(b"as a kill amid a write leaves it")
    found: list[int] = []
    listener = Listener(found=lambda epochs: found.append(len(epochs)))
    torch.rand(3)  # whatever else the process drew
    again = train_fully(network(), data, RECIPES[recipe], 5, cut, listener=listener)
    assert 2 <= found[0] < 6
    assert {path.name for path in cut.iterdir()} == {FILE, WEIGHTS, curves.FILE}
    assert (cut / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    assert torch.equal(again.logits, whole.logits)
    assert [replaced(e) for e in again.epochs] == [replaced(e) for e in whole.epochs]
    states = [torch.load(p / FILE, weights_only=True)["state"] for p in (cut, tmp_path / "whole")]
    assert flat(states[0]) == flat(states[1])  # and would go on alike


def replaced(epoch: curves.Epoch) -> dict[str, object]:
    return {k: v for k, v in epoch.to_json().items() if k != "seconds"}


def flat(state: object) -> object:
    """Tensors as their bytes, so that states can be compared."""
    if isinstance(state, torch.Tensor):
        return state.contiguous().numpy().tobytes()
    if isinstance(state, dict):
        return {key: flat(value) for key, value in state.items()}
    return [flat(value) for value in state] if isinstance(state, list | tuple) else state


@pytest.mark.parametrize("where", ["curves", "weights", "answers"])
@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_no_moment_within_an_epoch_is_a_bad_one(
    where: str, epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, recipe = load(SPEC), Recipe(epochs=3, crop=1, average=0.9)
    train_fully(network(), data, recipe, 1, tmp_path / "whole")
    real = {"curves": curves.write, "weights": full.atomic.write, "answers": full.answers}
    calls = []

    def dies(*given: object) -> object:
        calls.append(given)
        if where == "weights" and isinstance(given[0], Path) and given[0].name != WEIGHTS:
            calls.pop()
        elif len(calls) == epoch:
            raise KeyboardInterrupt
        return real[where](*given)  # type: ignore[operator]

    with monkeypatch.context() as patch:
        target = {"curves": (curves, "write"), "answers": (full, "answers")}
        patch.setattr(*target.get(where, (full.atomic, "write")), dies)
        with contextlib.suppress(KeyboardInterrupt):  # of weights there may be fewer than epochs
            train_fully(network(), data, recipe, 1, tmp_path / "cut")
    train_fully(network(), data, recipe, 1, tmp_path / "cut")
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    lines = [(tmp_path / n / "curves.csv").read_text().splitlines() for n in ("cut", "whole")]
    assert [line.rpartition(",")[0] for line in lines[0]] == [
        line.rpartition(",")[0] for line in lines[1]
    ]


def test_other_terms_are_refused(tmp_path: Path) -> None:
    data, recipe = load(SPEC), Recipe(epochs=1, crop=1)
    train_fully(network(), data, recipe, 0, tmp_path)
    other = load(DataSpec(str(small_set.PATH), image=16, limit=70))
    for given, told in (
        ((network(), data, Recipe(epochs=2, crop=1), 0), "epochs was 1, is 2"),
        ((network(), data, recipe, 1), "seed was 0, is 1"),
        ((network(), other, recipe, 0), "the data is not the same"),
        ((SMALL.build(SMALL.sample(np.random.default_rng(0)), (1, 16, 16), 10, 0, False),
          data, recipe, 0), "the network is not the same"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=told):
            train_fully(*given, tmp_path)


def test_a_checkpoint_that_is_gone_is_told_and_nothing_overwritten(tmp_path: Path) -> None:
    data, recipe = load(SPEC), Recipe(epochs=1, crop=1)
    train_fully(network(), data, recipe, 0, tmp_path)
    (tmp_path / FILE).unlink()
    before = (tmp_path / WEIGHTS).read_bytes()
    with pytest.raises(UserError, match=r"checkpoint\.pt is gone"):
        train_fully(network(), data, recipe, 1, tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes() == before


def test_weights_that_are_gone_are_told_before_more_is_trained(tmp_path: Path) -> None:
    data, recipe = load(SPEC), Recipe(epochs=3, crop=1)
    worse = iter([2.0, 1.0])
    stop = Listener(epoch=lambda epoch: None if epoch.epoch < 2 else _stop())
    hook = Hook(tmp_path, "", None, lambda answers, labels, classes: next(worse))
    with pytest.raises(KeyboardInterrupt):
        train_fully(network(), data, recipe, 0, tmp_path, hook=hook, listener=stop)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(UserError, match="is gone: the weights of epoch 1 were there"):
        train_fully(network(), data, recipe, 0, tmp_path, hook=hook)


def _stop() -> None:
    raise KeyboardInterrupt


def test_changed_bytes_of_a_checkpoint_are_one_line(tmp_path: Path) -> None:
    train_fully(network(), load(SPEC), Recipe(epochs=1, crop=1), 0, tmp_path)
    changed = bytearray((tmp_path / FILE).read_bytes())
    changed[changed.index(b"terms")] = 0xD7  # no letter begins so
    (tmp_path / FILE).write_bytes(changed)
    with pytest.raises(UserError, match="not a checkpoint") as error:
        checkpoint.load(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [b"", b"nothing", b"PK\x03\x04 half a file"])
def test_a_damaged_checkpoint_is_one_line(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(damage)
    with pytest.raises(UserError, match="not a checkpoint") as error:
        train_fully(network(), load(SPEC), Recipe(epochs=1, crop=1), 0, tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_the_command_stops_after_a_batch_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = SMALL.sample(np.random.default_rng(0)).to_json()
    save(
        Config(
            schema_version=1, space="msd", version=given["version"], decisions=given["decisions"]
        ),
        tmp_path / "small.yaml",
    )
    arguments = ["train", "small.yaml", "--image", "8", "--limit", "60", "--batch-size", "20",
                 "--epochs", "8", "--threads", "1", "--runtime", "macs"]  # fmt: skip
    with process(COMMAND, *arguments, "--name", "cut", cwd=tmp_path) as training:
        wait_for_epochs(tmp_path / "results" / "cut", 1, training)
        training.send_signal(signal.SIGTERM)
        _, said = training.communicate(timeout=PATIENCE)
        assert training.returncode == 130, said
    assert said.splitlines()[-1] == "stopped; go on with: nas train cut --resume"
    assert not Path("results/cut/config.yaml").exists()
    with Path("results/cut/train.yaml").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert main(["train", "cut", "--resume"]) == 2
        assert "is being driven by another process" in capsys.readouterr().err
    assert main(["train", "results/cut", "--resume"]) == 0
    assert "going on after epoch" in capsys.readouterr().err
    assert main([*arguments, "--name", "whole"]) == 0
    assert Path("results/cut", WEIGHTS).read_bytes() == Path("results/whole", WEIGHTS).read_bytes()
