"""Full trainings of a small network with two exits: what is learnt, kept, told and refused."""

import csv
import json
import math
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from safetensors.torch import load as read_weights
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.nn.functional import cross_entropy, kl_div

from latency.lane import Lane
from nas import recipes
from nas.data.dataset import Dataset, DataSpec
from nas.data.load import load
from nas.errors import UserError
from nas.training import hook as hooks
from nas.training.curves import Epoch
from nas.training.evaluate import answers
from nas.training.full import Listener, Outcome, train_fully
from nas.training.losses import loss_of
from nas.training.metrics import balanced_accuracy
from nas.training.recipe import Recipe
from nas.training.steps import Steps
from nas.training.weights import to_bytes
from nas.training_progress import Reporter
from search_spaces.network import StagedNetwork
from tests.docs.fences import PAGES, fences
from tests.nas.table_search import Heard
from tests.nas.test_train import network

SHORT = Recipe(epochs=3, crop=1)


@pytest.fixture(scope="module")
def few() -> Dataset:
    return load(DataSpec("digits", image=16, limit=130))


@pytest.fixture(scope="module")
def batch(few: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    return few.train.images[:20].float() / 128 - 1, few.train.labels[:20]


def fully(few: Dataset, folder: Path, recipe: Recipe = SHORT, **options: object) -> Outcome:
    return train_fully(network(), few, recipe, 0, folder, **options)  # type: ignore[arg-type]


def test_digits_are_learnt_and_the_folder_says_so(tmp_path: Path) -> None:
    some = load(DataSpec("digits", image=16, limit=500))
    recipe = recipes.suited(recipes.named("default"), some.image, epochs=12, batch_size=16)
    outcome = fully(some, tmp_path, recipe)
    assert outcome.best.accuracy[-1] > 0.8
    with (tmp_path / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 13))
    assert [float(row["exit_2"]) for row in rows] == [e.accuracy[1] for e in outcome.epochs]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert float(rows[-1]["held_out_loss"]) < float(rows[0]["held_out_loss"])


def test_what_is_kept_is_the_best_epoch(few: Dataset, tmp_path: Path) -> None:
    (tmp_path / "hook.py").write_text(
        "seen = []\n"
        "def metric(answers, labels, classes):\n"
        "    seen.append(0)\n"
        "    return [1.0, 3.0, 3.0, 2.0][len(seen) - 1]\n"
    )
    recipe = Recipe(epochs=4, crop=1, average=0.9)
    snapshots: list[bytes] = []
    made = network()
    listener = Listener(epoch=lambda epoch: snapshots.append(weights.read_bytes()))
    weights = tmp_path / "a" / "weights.safetensors"
    hook = hooks.load(tmp_path / "hook.py")
    outcome = train_fully(made, few, recipe, 0, tmp_path / "a", hook=hook, listener=listener)
    assert outcome.best.epoch == 2  # the first of equals
    assert snapshots[1] == snapshots[2] == snapshots[3] != snapshots[0]
    assert to_bytes(outcome.network) == snapshots[1]
    assert not outcome.network.training
    found = answers(outcome.network, few.held_out, few.mean, few.std)
    assert torch.equal(found, outcome.logits)
    right = (found.argmax(2) == few.held_out.labels[:, None]).double().mean(0)
    assert outcome.best.accuracy == tuple(right.tolist())


def test_averaged_weights_are_what_is_judged_and_kept(few: Dataset, tmp_path: Path) -> None:
    recipe = replace(SHORT, epochs=1, average=0.99)
    fully(few, tmp_path / "averaged", recipe)
    fully(few, tmp_path / "own", replace(recipe, average=None))
    made = network()
    steps = Steps(made, few, recipe, torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        steps.epoch(1)
    own, averaged = (
        read_weights((tmp_path / name / "weights.safetensors").read_bytes())
        for name in ("own", "averaged")
    )
    assert steps.average is not None
    for name, value in made.state_dict().items():
        assert torch.equal(own[name], value)
        assert torch.equal(averaged[name], steps.average.values[name])
    assert any(not torch.equal(own[name], averaged[name]) for name in own if "running" in name)


def test_torch_is_left_as_it_was(few: Dataset, tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    made = network()
    torch.manual_seed(1)
    train_fully(made, few, replace(SHORT, epochs=1), 0, tmp_path)
    assert torch.equal(torch.rand(1), expected)


def test_exit_weights_and_distillation_add_the_right_terms(
    batch: tuple[torch.Tensor, torch.Tensor],
) -> None:
    made, (x, y) = network(seed=3), batch
    for module in made.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    early, late = made(x)
    own = [cross_entropy(each, y) for each in (early, late)]
    soft = kl_div((early / 2).log_softmax(1), (late / 2).softmax(1), reduction="none").sum(1).mean()
    plain = Recipe(epochs=1)
    for recipe, expected in [
        (plain, own[0] + own[1]),
        (replace(plain, exit_weights=(0.25, 2.0)), 0.25 * own[0] + 2 * own[1]),
        (replace(plain, distill=0.5, distill_temperature=2.0), own[0] + own[1] + 0.5 * 4 * soft),
        (
            replace(plain, distill=0.5, distill_temperature=2.0, exit_weights=(3.0, 1.0)),
            3 * own[0] + own[1] + 3 * 0.5 * 4 * soft,
        ),
    ]:
        assert loss_of(made, recipe)(made, x, y).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_last_exit_learns_nothing_from_distillation(
    batch: tuple[torch.Tensor, torch.Tensor],
) -> None:
    made, (x, y) = network(), batch
    recipe = Recipe(epochs=1, distill=1.0, exit_weights=(1.0, 0.0))
    loss_of(made, recipe)(made, x, y).backward()
    last = made.stages[1].get_parameter("blocks.1.1.weight").grad
    first = made.stages[0].get_parameter("blocks.1.1.weight").grad
    assert last is not None and not last.any()
    assert first is not None and first.any()


def test_exit_weights_are_one_an_exit(few: Dataset) -> None:
    with pytest.raises(UserError, match="3 exit weights for 2 exits"):
        loss_of(network(), Recipe(epochs=1, exit_weights=(1, 1, 1)))
    with pytest.raises(UserError, match="own loss"):
        loss_of(network(), Recipe(epochs=1, distill=1.0), lambda logits, y: logits[0].sum())


def test_gradients_are_clipped_to_a_norm(few: Dataset) -> None:
    recipe = Recipe(1, lr=1.0, warm_up=0.0, nesterov=False, momentum=0.0, weight_decay=0.0)
    moved = []
    for clip in (None, 0.01):
        made = network()
        before = [p.detach().clone() for p in made.parameters()]
        steps = Steps(made, few, replace(recipe, clip=clip), torch.Generator().manual_seed(0))
        torch.manual_seed(0)
        rate = steps.rate()
        steps.batch(torch.arange(32))
        change = [
            (p.detach() - b).flatten() for p, b in zip(made.parameters(), before, strict=True)
        ]
        moved.append(torch.cat(change) / rate)
    assert moved[0].norm() > 0.1
    assert moved[1].norm().item() == pytest.approx(0.01, rel=1e-2)
    assert torch.nn.functional.cosine_similarity(moved[0], moved[1], dim=0) > 0.999


def test_a_recipe_sets_dropout_or_leaves_it(few: Dataset) -> None:
    for asked, expected in ((None, 0.1), (0.0, 0.0), (0.4, 0.4)):
        made = network()
        Steps(made, few, replace(SHORT, dropout=asked), torch.Generator())
        assert {m.p for m in made.modules() if isinstance(m, nn.Dropout)} == {expected}


def test_balanced_accuracy_is_sklearns() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(5, 300, p=[0.6, 0.3, 0.06, 0.04, 0.0])  # the last class has no image
    answered = np.where(rng.random(300) < 0.7, labels, rng.integers(0, 4, 300))
    both = np.stack([rng.integers(0, 5, 300), answered], axis=1)
    found = balanced_accuracy(torch.from_numpy(both), torch.from_numpy(labels), 5)
    assert found == pytest.approx(balanced_accuracy_score(labels, answered))


def test_an_own_loss_is_the_whole_loss(few: Dataset, tmp_path: Path) -> None:
    (tmp_path / "hook.py").write_text(
        "from torch.nn.functional import cross_entropy\n"
        "def loss(logits, labels):\n"
        "    return cross_entropy(logits[1], labels)\n"
    )
    hook = hooks.load(tmp_path / "hook.py")
    hooks.try_out(hook, 2, 10)
    fully(few, tmp_path / "own", replace(SHORT, epochs=1), hook=hook)
    fully(few, tmp_path / "weighted", replace(SHORT, epochs=1, exit_weights=(0.0, 1.0)))
    own, weighted = (
        read_weights((tmp_path / n / "weights.safetensors").read_bytes())
        for n in ("own", "weighted")
    )
    last = [name for name in own if name.startswith("stages.1")]
    assert last
    assert all(torch.allclose(own[name], weighted[name]) for name in last)


def test_the_documented_hook_is_the_built_in_behaviour(few: Dataset, tmp_path: Path) -> None:
    (page,) = (page for page in PAGES if page.name == "commands.md")
    (hook,) = (fence.text for fence in fences(page) if fence.file == "my.py")
    (tmp_path / "my.py").write_text(hook)
    own = fully(few, tmp_path / "own", hook=hooks.load(tmp_path / "my.py"))
    built_in = fully(few, tmp_path / "built-in")
    assert torch.allclose(own.logits, built_in.logits)
    assert own.best.metric == own.best.accuracy[-1] == built_in.best.metric


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\n", "defines neither"),
        ("loss = 3\n", "loss is no function"),
        ("def loss(:\n", "cannot be run"),
        ("import nothing_of_this_name\n", "in line 1 .*nothing_of_this_name"),
        ("\ndef loss(logits, labels):\n    return logits[9].sum()\n", "loss failed in line 3"),
        ("def loss(logits, labels):\n    return 1.0\n", "must return a scalar tensor, not 1.0"),
        ("def loss(logits, labels):\n    return logits[0]\n", "a tensor of shape"),
        ("def loss(l, y):\n    return l[0].detach().sum()\n", "nothing can learn"),
        ("def metric(answers, labels):\n    return 1.0\n", "metric failed"),
        ("def metric(a, y, n):\n    return float('nan')\n", "a finite number, not nan"),
        ("def metric(a, y, n):\n    return 'good'\n", "a finite number, not 'good'"),
        ("raise SystemExit(3)\n", "cannot be run in line 1"),
    ],
)
def test_a_broken_hook_is_one_line(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "hook.py"
    path.write_text(text)
    with pytest.raises(UserError, match=told) as error:
        hooks.try_out(hooks.load(path), 2, 10)
    assert "\n" not in str(error.value) and "hook.py" in str(error.value)


class _LateNaN(StagedNetwork):
    """Loses its mind in the third epoch."""

    calls = 0

    def training_losses(self, x, y, label_smoothing=0.0):  # type: ignore[no-untyped-def]
        self.calls += 1
        losses = super().training_losses(x, y, label_smoothing)
        return [loss * math.nan for loss in losses] if self.calls > 2 * 5 else losses


def test_a_diverging_training_keeps_what_was_good(few: Dataset, tmp_path: Path) -> None:
    made, epochs = _LateNaN(network().graph), []
    assert len(few.train) == 130  # five batches an epoch
    with pytest.raises(UserError) as error:
        train_fully(
            made, few, replace(SHORT, batch_size=26), 0, tmp_path,
            listener=Listener(epoch=epochs.append),
        )  # fmt: skip
    best = max(epochs, key=lambda epoch: epoch.metric).epoch
    assert str(error.value) == (
        "training diverged in epoch 3: not a finite number; the checkpoint of epoch 2 and the best "
        f"weights, of epoch {best}, are kept; train anew with a smaller rate, such as --lr 0.01"
    )
    kept = read_weights((tmp_path / "weights.safetensors").read_bytes())
    assert all(torch.isfinite(value).all() for value in kept.values())
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert len(state["epochs"]) == 2 and state["best"] == best


def test_cuda_is_refused_where_there_is_none(few: Dataset, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        outcome = fully(few, tmp_path, device="cuda")
        assert next(outcome.network.parameters()).device.type == "cpu"
        return
    with pytest.raises(UserError, match="no GPU that torch can use"):
        fully(few, tmp_path, device="cuda")
    assert list(tmp_path.iterdir()) == []


def test_a_training_stands_still_while_somebody_measures(
    few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    seen: list[int] = []
    step = Steps.batch

    def measure() -> None:
        with Lane().measuring():
            seen.append(len(batches))
            time.sleep(0.3)
            seen.append(len(batches))

    measuring = Thread(target=measure)

    def batch(self: Steps, rows: torch.Tensor) -> torch.Tensor:
        loss = step(self, rows)
        batches.append(len(rows))  # before the lane is left, or it could come after the first look
        if len(batches) == 2:
            measuring.start()
        return loss

    monkeypatch.setattr(Steps, "batch", batch)
    fully(few, tmp_path)
    measuring.join()
    assert seen[0] == seen[1]


def test_an_epoch_survives_json() -> None:
    epoch = Epoch(3, 0.1, 1.5, 2.5, (0.5, 0.75), 0.75, 12.0)
    assert Epoch.from_json(json.loads(json.dumps(epoch.to_json()))) == epoch


def test_progress_tells_epochs_and_the_best() -> None:
    heard = Heard()
    reporter = Reporter(heard, total=4, clock=iter([0.0, 0.1, 9.0]).__next__)
    reporter.batch(1, 1, 10)
    reporter.batch(1, 2, 10)  # too soon after the one before
    reporter.epoch(Epoch(1, 0.1, 2.0, 2.5, (0.25, 0.5), 0.5, 60.0))
    reporter.epoch(Epoch(2, 0.1, 1.5, 2.5, (0.25, 0.375), 0.375, 60.0))
    reporter.batch(3, 5, 10)
    assert [str(status) for status in heard.statuses] == [
        "epoch 0/4 · batch 1/10",
        "epoch 1/4 · loss 2.0000 · held-out accuracy 25.0 50.0 % · best 0.5000 (epoch 1) "
        "· 3 min left",
        "epoch 2/4 · loss 1.5000 · held-out accuracy 25.0 37.5 % · best 0.5000 (epoch 1) "
        "· 2 min left",
        "epoch 2/4 · loss 1.5000 · held-out accuracy 25.0 37.5 % · best 0.5000 (epoch 1) "
        "· batch 5/10 · 2 min left",
    ]
