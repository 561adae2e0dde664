"""The evaluation of a network that was really trained, against computing it image by image."""

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas import plugins
from nas.data import load as loading
from nas.data.augment import normalise
from nas.data.dataset import DataSpec, Split
from nas.errors import UserError
from nas.evaluation import Evaluation, calibrated, evaluate, images, policies, writing
from nas.evaluation.cost import ExitCost, exit_cost
from nas.evaluation.evaluate import Answers, answered
from nas.evaluation.facts import Both
from nas.evaluation.grid import COLUMNS, grid
from nas.exits import NEVER, ExitPolicy, official_policies
from nas.exits.sweep import as_official
from nas.inference.trained import Trained, open_trained
from search_spaces.operators import costs
from tests.nas import trained_msd


class Made:
    """One trained network, what it answered, and its evaluation under its own policy."""

    def __init__(self, folder: Path) -> None:
        self.computed: dict[int, np.ndarray] = {}
        self.folder = folder
        self.trained: Trained = open_trained(str(folder), folder)
        self.judges = images.read(images.spec_of(self.trained, None, None), self.trained, True)
        self.seen: Both[Answers] = answered(self.trained, self.judges)
        self.cost: ExitCost = exit_cost(self.trained.network.graph, plugins.runtime("macs"))
        self.evaluation: Evaluation = self.judge(self.trained.policy)

    def judge(self, policy: ExitPolicy, **given) -> Evaluation:
        asked = {"curves": True, "seen": self.seen, "judges": self.judges} | given
        return evaluate(self.trained, cost=self.cost, policy=policy, **asked)


@pytest.fixture(scope="module")
def made(trained_digits: Path) -> Made:
    return Made(trained_digits)


def outputs(made: Made, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Softmax [images, exits, classes] and labels, computed here, once."""
    preprocessing = made.trained.config.preprocessing
    if len(split) not in made.computed:
        with torch.inference_mode():
            x = normalise(split.images, preprocessing.mean, preprocessing.std)
            logits = torch.stack(made.trained.network(x), dim=1).double()
        made.computed[len(split)] = logits.softmax(dim=2).numpy()
    return made.computed[len(split)], split.labels.numpy()


def walk(probability: np.ndarray, labels: np.ndarray, thresholds) -> tuple[list[int], list[bool]]:
    taken, right = [], []
    for each, label in zip(probability, labels, strict=True):
        exit = next(k for k, t in enumerate(thresholds) if each[k].max() >= t or t == 0)
        taken.append(exit)
        right.append(int(each[exit].argmax()) == label)
    return taken, right


def test_exits_are_judged_on_both_splits(made: Made) -> None:
    trained = made.trained
    counted = costs(plugins.space("msd").blocks(trained.config.architecture(), trained.image, 10))
    assert len(made.evaluation.exits) == trained_msd.EXITS
    assert made.evaluation.images == Both(500, 397)
    for split, name in ((made.judges.held_out, "held_out"), (made.judges.test, "test")):
        probability, labels = outputs(made, split)
        for k, found in enumerate(made.evaluation.exits):
            seen = getattr(found.accuracy, name)
            right = probability[:, k].argmax(axis=1) == labels
            assert seen.accuracy == pytest.approx(right.mean(), abs=1e-9)
            assert seen.standard_error == pytest.approx(right.std() / np.sqrt(len(right)))
            assert (found.macs, found.all_macs) == (counted.lazy_macs[k], counted.macs[k])
            assert found.official_ops == counted.official_ops[k]
    assert made.evaluation.exits[-1].accuracy.seen.accuracy > 0.8


def test_the_own_policy_is_what_walking_image_by_image_gives(made: Made) -> None:
    policy = made.evaluation.policy
    assert policy.thresholds == (0.9, 0.8, 0.0)
    for split, name in ((made.judges.held_out, "held_out"), (made.judges.test, "test")):
        taken, right = walk(*outputs(made, split), policy.thresholds)
        seen = getattr(policy.reached, name)
        assert seen.accuracy == pytest.approx(np.mean(right))
        shares = np.bincount(taken, minlength=3) / len(taken)
        assert seen.shares == pytest.approx(shares.tolist())
        assert 0 < seen.shares[0] < 1
        for unit in ("macs", "latency_ms", "official_ops"):
            assert getattr(seen, unit) == pytest.approx(
                shares @ np.array(getattr(made.cost, unit)), rel=1e-9
            )
        spent = sorted(made.cost.latency_ms[k] for k in taken)
        assert seen.p95_ms == spent[int(np.ceil(0.95 * len(taken))) - 1]
        assert seen.worst_ms == made.cost.latency_ms[-1]


def test_classes_are_judged_under_the_policy(made: Made) -> None:
    probability, labels = outputs(made, made.judges.test)
    taken, right = (np.array(v) for v in walk(probability, labels, (0.9, 0.8, 0.0)))
    each = probability.argmax(axis=2) == labels[:, None]
    found = made.evaluation.classes
    assert [c.name for c in found] == list("0123456789")
    for number, seen in enumerate(found):
        mine = labels == number
        assert seen.images == mine.sum()
        assert seen.accuracy == pytest.approx(right[mine].mean())
        assert seen.easy == (mine & (taken == 0) & right).sum()
        assert seen.hard == (mine & ~each[:, 0] & each[:, -1]).sum()
        assert seen.latency_ms == pytest.approx(
            np.mean(np.array(made.cost.latency_ms)[taken[mine]])
        )


@pytest.mark.parametrize("unit", ["macs", "latency_ms"])
def test_budgets_are_met_on_the_held_out_images_and_applied_to_the_test(made, unit) -> None:
    points = getattr(made.evaluation.curves, unit)
    cost = np.array(getattr(made.cost, unit))
    assert [p.budget for p in points] == pytest.approx(
        np.linspace(1.05 * cost[0], 0.95 * cost[-1], 20).tolist()
    )
    for point in points:
        spent = []
        for split in (made.judges.held_out, made.judges.test):
            taken, _ = walk(*outputs(made, split), point.thresholds)
            spent.append(cost[taken].mean())
        assert 0.98 * point.budget <= spent[0] <= point.budget * (1 + 1e-9)
        assert getattr(point.reached.held_out, unit) == pytest.approx(spent[0])
        assert getattr(point.reached.test, unit) == pytest.approx(spent[1])
        assert point.gap(unit) == pytest.approx(spent[1] / spent[0] - 1)


def test_the_official_sweep_is_applied_to_the_test(made: Made) -> None:
    held_out = made.seen.held_out.judged(made.trained.temperatures)
    test = as_official(made.seen.test.judged(made.trained.temperatures))
    points = made.evaluation.curves.official
    for policy, point in zip(official_policies(held_out), points, strict=True):
        assert point.thresholds == policy.thresholds
        leaves = test.confidence >= np.array(policy.thresholds)
        ops = np.array(made.cost.official_ops)[leaves.argmax(axis=1)]
        assert point.reached.test.official_ops == pytest.approx(ops.mean())
    spent = [point.reached.held_out.official_ops for point in points]
    assert spent[0] < spent[20] < spent[38]


def test_no_threshold_depends_on_the_test(made: Made) -> None:
    other = Answers(made.seen.test.logits.flip(0), made.seen.test.labels)
    changed = made.judge(made.trained.policy, seen=Both(made.seen.held_out, other))
    unseen = made.judge(
        made.trained.policy,
        seen=Both(made.seen.held_out, None),
        judges=replace(made.judges, test=None),
    )
    curves = [each.curves for each in (made.evaluation, changed, unseen)]
    for name in ("macs", "latency_ms", "official", "thresholds"):
        first, second, third = ([p.thresholds for p in getattr(c, name)] for c in curves)
        assert first == second == third
    assert changed.exits[0].accuracy.test != made.evaluation.exits[0].accuracy.test
    assert [e.calibrated for e in changed.exits] == [e.calibrated for e in made.evaluation.exits]
    assert unseen.split == "held-out"
    assert unseen.policy.reached.test is None
    assert unseen.policy.gap("macs") is None
    assert unseen.policy.reached.seen == made.evaluation.policy.reached.held_out


def test_held_out_reads_no_test_image(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(spec, say):
        raise AssertionError("the test images were read")

    monkeypatch.setattr(loading, "load_test", forbidden)
    spec = images.spec_of(made.trained, None, None)
    assert images.spec_of(made.trained, "digits", None) == spec
    assert images.read(spec, made.trained, test=False).test is None
    with pytest.raises(AssertionError):
        images.read(spec, made.trained, test=True)


def test_an_evaluation_is_strict_json(made: Made) -> None:
    data = json.loads(json.dumps(made.evaluation.to_json(), allow_nan=False))
    assert data["split"] == "test"
    assert data["conditions"]["runtime"] == "macs"
    assert [row["exit"] for row in data["anytime"]] == [1, 2, 3]
    rising = [row["latency_ms"] for row in data["anytime"]]
    assert rising == sorted(rising)
    assert len(data["curves"]["official"]) == 39
    assert {"held_out", "test"} == set(data["policy"]["reached"])
    assert made.judge(made.trained.policy, curves=False).to_json()["curves"] is None


def test_costs_never_fall_and_the_runtime_is_named(made: Made) -> None:
    class Noisy:
        name, device = "noisy", "here"

        def estimate(self, graph, seed=0):
            plain = plugins.runtime("macs").estimate(graph)
            return (plain[0], replace(plain[1], latency_ms=plain[0].latency_ms / 2), plain[2])

        def conditions(self):
            return {"batch": 1}

    found = exit_cost(made.trained.network.graph, Noisy())
    assert found.latency_ms[0] == found.latency_ms[1] < found.latency_ms[2]
    assert found.conditions == {"device": "here", "runtime": "noisy", "batch": 1}


def test_the_last_exit_within_a_cost(made: Made) -> None:
    cost = made.cost
    middle = policies.within((cost.macs[1], "MACs"), cost)
    assert middle.thresholds == (NEVER, 0.0, 0.0)
    assert "exit 2" in middle.found
    assert policies.within((1e9, "ms"), cost).thresholds == (NEVER, NEVER, 0.0)
    with pytest.raises(UserError, match=r"first one takes 1\.17M MACs"):
        policies.within((cost.macs[0] - 1, "MACs"), cost)
    held_out = made.seen.held_out.judged(made.trained.temperatures)
    shared = policies.within_on_average((cost.macs[1], "MACs"), cost, held_out)
    spent = made.judge(shared, curves=False).policy.reached.held_out.macs
    assert 0.98 * cost.macs[1] <= spent <= cost.macs[1]
    assert [policies.limit(t) for t in ("2ms", "800us", "20M", "1.5G")] == [
        (2.0, "ms"),
        (0.8, "ms"),
        (20e6, "MACs"),
        (1.5e9, "MACs"),
    ]
    for wrong in ("fast", "0ms", "-1M", "3parsecs", ""):
        with pytest.raises(UserError, match="such as"):
            policies.limit(wrong)


def test_calibration_keeps_answers_and_shares(made: Made) -> None:
    trained = calibrated.calibrated(made.trained, made.seen)
    assert trained.temperatures == tuple(e.calibrated for e in made.evaluation.exits)
    after = evaluate(trained, made.judges, made.seen, made.cost, trained.policy, False, (1.0,) * 3)
    before = made.evaluation
    assert after.policy.reached.held_out.shares == before.policy.reached.held_out.shares
    assert after.policy.thresholds != before.policy.thresholds
    assert after.policy.found == "by hand, as many leaving after calibration"
    assert calibrated.calibrated(trained, made.seen).policy == trained.policy
    for one, two in zip(before.exits, after.exits, strict=True):
        assert one == two
        assert one.calibrated_error.held_out < one.calibration_error.held_out
    never = ExitPolicy((NEVER, 0.0, 0.0), "always exit 2")
    kept = calibrated.calibrated(replace(made.trained, policy=never), made.seen)
    assert kept.policy == never


def test_a_calibrated_network_is_opened_again(made: Made, tmp_path: Path) -> None:
    trained = calibrated.calibrated(made.trained, made.seen)
    found = evaluate(trained, made.judges, made.seen, made.cost, trained.policy, False)
    calibrated.write(trained, found, tmp_path)
    again = open_trained(str(tmp_path), tmp_path)
    assert (again.policy, again.temperatures) == (trained.policy, trained.temperatures)
    assert again.config.metrics.accuracy == found.policy.reached.held_out.accuracy
    assert again.config.metrics.exit_macs == made.cost.macs
    same = answered(again, made.judges)
    assert torch.equal(same.test.logits, made.seen.test.logits)
    with pytest.raises(UserError, match="exists"):
        calibrated.refuse_taken(tmp_path, force=False)
    calibrated.refuse_taken(tmp_path, force=True)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "weights.safetensors").write_bytes(b"best so far")
    with pytest.raises(UserError, match="exists; give another folder"):
        calibrated.refuse_taken(tmp_path / "begun", force=False)


def test_data_of_another_kind_are_refused(made: Made) -> None:
    spec = images.spec_of(made.trained, None, None)
    assert spec == trained_msd.SPEC
    assert images.spec_of(made.trained, "digits", 8) == replace(spec, image=8)
    assert images.spec_of(made.trained, "fashion-mnist", None) == DataSpec("fashion-mnist", 16)
    with pytest.raises(UserError, match="images of digits are 1x8x8, the network takes 1x16x16"):
        images.read(replace(spec, image=8), made.trained, True)
    config = made.trained.config
    others = config.model_copy(update={"classes": ("cat", *config.classes[1:])})
    with pytest.raises(UserError, match=r"10 \(0, 1, 2, \.\.\.\); the network's are 10 \(cat, 1"):
        images.read(spec, replace(made.trained, config=others), True)
    unknown = config.model_copy(update={"provenance": None})
    with pytest.raises(UserError, match="give --data"):
        images.spec_of(replace(made.trained, config=unknown), None, None)


def test_a_folder_holds_figures_and_pictures(made: Made, tmp_path: Path) -> None:
    given = (made.evaluation, made.trained, made.judges, made.seen)
    paths = writing.write(*given, tmp_path / "new" / "folder")
    names = {"evaluation.json", "anytime.svg", "budget.svg", "easy.png", "hard.png"}
    assert {path.name for path in paths} == names
    assert json.loads(paths[0].read_text()) == json.loads(json.dumps(made.evaluation.to_json()))
    first = {path.name: path.read_bytes() for path in paths}
    for path in writing.write(*given, tmp_path / "new" / "folder"):
        assert path.read_bytes() == first[path.name]  # undated, no random names
    assert b"dc:date" not in first["budget.svg"]
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        writing.refuse_file(tmp_path / "file" / "deeper")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_the_chosen_images_of_each_class(channels: int) -> None:
    shade = torch.tensor([10, 60, 110, 160] * 10, dtype=torch.uint8)
    pictures = shade[:, None, None, None].expand(40, channels, 32, 32)
    labels = torch.arange(40) % 4
    chosen = labels.numpy() != 1
    drawn = grid(pictures, labels, chosen, ("cat", "dog", "a very long class name", "owl"), "made")
    with Image.open(BytesIO(drawn)) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    for value, shown in ((10, True), (60, False), (110, True), (160, True)):
        area = int((pixels == value).all(axis=2).sum())
        # Ten images of each class; eight fit, of 64 x 64 pixels.
        assert area in range(COLUMNS * 64 * 64, COLUMNS * 64 * 64 + 400) if shown else area < 400
