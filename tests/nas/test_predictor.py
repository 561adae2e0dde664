"""One image at a time: answers after every stage, deadlines, budgets, files."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nas import networks
from nas.config import SCHEMA_VERSION, Config, Exits, Preprocessing, save
from nas.errors import UserError
from nas.inference.execution import classify
from nas.inference.pixels import prepared
from nas.inference.predictor import Prediction, Predictor
from nas.inference.trained import Trained, open_trained
from nas.training.weights import to_bytes
from search_spaces.msd import msdnet
from search_spaces.operators import costs

IMAGE, CLASSES = (3, 16, 16), ("ant", "bee", "cat", "dog")
ARCHITECTURE = msdnet(nBlocks=4, base=1, nChannels=4, growthRate=2)
EXITS = 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    network = networks.build(ARCHITECTURE, IMAGE, len(CLASSES), seed=1)
    (folder / "weights.safetensors").write_bytes(to_bytes(network))
    given = ARCHITECTURE.to_json()
    config = Config(
        schema_version=SCHEMA_VERSION,
        space=given["space"],
        version=given["version"],
        decisions=given["decisions"],
        widened=tuple(given["widened"]),
        image=IMAGE,
        classes=CLASSES,
        preprocessing=Preprocessing(
            resize=IMAGE[1:], crop=IMAGE[1:], colour="rgb", mean=(0.5, 0.4, 0.3), std=(0.2,) * 3
        ),
        exits=Exits(
            thresholds=(0.55, 0.5, 0.45, 0.0),
            found="by hand",
            temperatures=(0.3, 0.3, 0.3, 0.3),
        ),
        weights="weights.safetensors",
    )
    save(config, folder / "config.yaml")
    return open_trained(str(folder), Path())


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (30, *IMAGE), dtype=torch.uint8, generator=generator)


class Clock:
    """A clock that only stages move, each by its own time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    @contextmanager
    def ticking(self, trained: Trained, stage_ms: list[float]):
        def tick(k: int):
            def after(*_: object) -> None:
                self.now += stage_ms[k] / 1000

            return after

        stages = trained.network.stages
        hooks = [stage.register_forward_hook(tick(k)) for k, stage in enumerate(stages)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def test_every_exit_answers_in_turn(trained: Trained, pixels: torch.Tensor) -> None:
    with torch.inference_mode():
        logits = trained.network(prepared(trained.config, pixels[:1]))
    clock = Clock()
    with clock.ticking(trained, [1, 2, 3, 4]):
        found = list(Predictor(trained, clock=clock).exits(pixels[0]))
    assert [each.exit for each in found] == [1, 2, 3, 4]
    assert [each.elapsed_ms for each in found] == pytest.approx([1, 3, 6, 10])
    for each, row in zip(found, logits, strict=True):
        assert each.label == int(row.argmax())
        assert each.class_name == CLASSES[each.label]
        assert each.confidence == pytest.approx(float((row / 0.3).softmax(1).max()), rel=1e-4)
        assert each.overrun_ms == 0.0


def test_a_stage_runs_only_when_its_answer_is_asked_for(
    trained: Trained, pixels: torch.Tensor
) -> None:
    clock = Clock()
    with clock.ticking(trained, [1] * EXITS):
        answers = Predictor(trained, clock=clock).exits(pixels[0])
        next(answers)
        assert clock.now == pytest.approx(1000.001)
        assert not torch.is_inference_mode_enabled()  # between answers the caller has its own mode
        next(answers)
    assert clock.now == pytest.approx(1000.002)


def test_without_limits_the_policy_decides(trained: Trained, pixels: torch.Tensor) -> None:
    x = prepared(trained.config, pixels)
    expected = classify(trained.network, x, trained.policy.thresholds, trained.temperatures)
    assert len(set(expected.exits.tolist())) > 1
    found = [Predictor(trained).predict(image) for image in pixels]
    assert [each.exit - 1 for each in found] == expected.exits.tolist()
    assert [each.label for each in found] == expected.answers.tolist()
    assert all(each.overrun_ms == 0.0 < each.elapsed_ms for each in found)


def answer(
    trained: Trained, image: torch.Tensor, stage_ms: list[float], deadline: float, known: bool
) -> Prediction:
    clock = Clock()
    latency = np.cumsum(stage_ms).tolist() if known else None
    with clock.ticking(trained, stage_ms):
        return Predictor(trained, latency, clock).predict(image, deadline_ms=deadline)


durations = st.lists(st.integers(1, 20), min_size=EXITS, max_size=EXITS)


@settings(max_examples=60, deadline=None)
@given(stage_ms=durations, deadline=st.integers(0, 90).map(lambda ms: ms + 0.5))
def test_deadlines(
    trained: Trained, pixels: torch.Tensor, stage_ms: list[int], deadline: float
) -> None:
    reached = np.cumsum(stage_ms)
    begun = [0, *reached[:-1]]
    blind = answer(trained, pixels[0], stage_ms, deadline, known=False)
    # The last stage that begins in time answers, at most its own length too late.
    assert blind.exit == max(k for k in range(EXITS) if begun[k] < deadline) + 1
    assert blind.elapsed_ms == pytest.approx(reached[blind.exit - 1])
    assert blind.overrun_ms == pytest.approx(max(0, reached[blind.exit - 1] - deadline))
    assert blind.overrun_ms <= stage_ms[blind.exit - 1] + 1e-6
    # Knowing how long stages take, only the first one may end too late.
    known = answer(trained, pixels[0], stage_ms, deadline, known=True)
    assert known.exit == max([1, *(k + 1 for k in range(EXITS) if reached[k] <= deadline)])
    assert known.overrun_ms == pytest.approx(max(0, stage_ms[0] - deadline))


def test_a_deadline_that_has_passed_is_answered_by_the_first_exit(
    trained: Trained, pixels: torch.Tensor
) -> None:
    found = answer(trained, pixels[0], [5, 5, 5, 5], 0.0, known=False)
    assert (found.exit, found.overrun_ms) == (1, pytest.approx(5))


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_budgets(trained: Trained, pixels: torch.Tensor, beyond: int) -> None:
    macs = costs(trained.network.graph).lazy_macs
    predictor = Predictor(trained)
    for k in range(EXITS):
        expected = max(k if beyond < 0 else k + 1, 1)
        assert predictor.predict(pixels[0], budget=macs[k] + beyond).exit == expected


def test_both_limits_hold(trained: Trained, pixels: torch.Tensor) -> None:
    macs = costs(trained.network.graph).lazy_macs
    clock = Clock()
    with clock.ticking(trained, [10] * EXITS):
        predictor = Predictor(trained, [10, 20, 30, 40], clock)
        assert predictor.predict(pixels[0], deadline_ms=25, budget=macs[2]).exit == 2
        assert predictor.predict(pixels[0], deadline_ms=35, budget=macs[1]).exit == 2


def test_files_arrays_and_tensors(trained: Trained, pixels: torch.Tensor, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(pixels[0].permute(1, 2, 0).numpy()).save(path)
    predictor = Predictor(trained, clock=Clock())
    wanted = predictor.predict(pixels[0])
    assert predictor.predict(path) == predictor.predict(str(path)) == wanted
    assert predictor.predict(pixels[0].numpy()) == wanted


def test_mistakes(trained: Trained, pixels: torch.Tensor, tmp_path: Path) -> None:
    predictor = Predictor(trained)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"broken.png: not a readable image"):
        predictor.predict(broken)
    with pytest.raises(UserError, match=r"\(3, 8, 16\): must be uint8 \(3, 16, 16\)"):
        predictor.predict(pixels[0, :, :8])
    with pytest.raises(UserError, match=r"float32 \(3, 16, 16\): must be uint8"):
        predictor.predict(pixels[0].float())
    for limit in (-1.0, float("nan")):
        with pytest.raises(UserError, match="deadline_ms"):
            predictor.predict(pixels[0], deadline_ms=limit)
        with pytest.raises(UserError, match="budget"):
            predictor.predict(pixels[0], budget=limit)
    with pytest.raises(ValueError, match="2 latencies for 4 exits"):
        Predictor(trained, [1.0, 2.0])
