"""A network that a search trained on a folder of files, on these files again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas import plugins
from nas.cli.main import main
from nas.data.load import load_test
from nas.exits.confidence import confidence
from nas.inference.trained import open_trained
from nas.training.evaluate import answers
from tests.nas import small_msd

SEARCH = (
    "search --space msd --runtime macs --executor inline --epochs 2 --controller random --seed 1 "
    "--trials 2 --name pets --image 16"
).split()
KINDS = ("bars", "stripes", "noise")


def picture(kind: str, rng: np.random.Generator) -> Image.Image:
    """Of a size of its own, so that every file is resized and cropped."""
    height, width = rng.integers(17, 40, 2)
    noise = rng.integers(0, 256, (height, width, 3))
    wave = 120 + 100 * np.sin(np.arange(max(height, width)) / rng.uniform(1, 3))
    if kind == "bars":
        noise = 0.4 * noise + 0.6 * wave[:width, None]
    elif kind == "stripes":
        noise = 0.4 * noise + 0.6 * wave[:height, None, None]
    return Image.fromarray(noise.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the data (pets), the run (results/pets) and its two exports."""
    root, rng = tmp_path_factory.mktemp("place"), np.random.default_rng(0)
    for part, count in (("train", 20), ("test", 12)):
        for kind in KINDS:
            folder = root / "pets" / part / kind
            folder.mkdir(parents=True)
            for index in range(count):
                picture(kind, rng).save(folder / f"{index:02}.png")
    out = ["--out", str(root / "results")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plugins.SPACES, "msd", small_msd.WHERE)
        patch.chdir(root)
        assert main([*SEARCH, *out, "--data", "pets"]) == 0
        for form in ("onnx", "pytorch"):
            assert main(["export", "pets", "--format", form, "-o", form, *out]) == 0
        yield root


@pytest.fixture
def told(place: Path, capsys: pytest.CaptureFixture[str]) -> "Told":
    return Told(place, capsys)


class Told:
    """Runs `nas predict` beside the run and the exports and gives back what it printed."""

    def __init__(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.place, self._capsys = place, capsys

    def opened(self, source: str) -> str:
        return source if ":" in source else str(self.place / source)

    def text(self, *arguments: object, code: int = 0) -> str:
        self._capsys.readouterr()
        out = str(self.place / "results")
        assert main(["predict", *map(str, arguments), "--out", out]) == code
        said = self._capsys.readouterr()
        return said.err if code else said.out

    def rows(self, *arguments: object) -> list[dict[str, Any]]:
        return json.loads(self.text(*arguments, "--json"))


SOURCES = ("pets:best", "pytorch", "onnx")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("share", [None, 0.0, 0.5, 1.0])
def test_files_get_the_answers_of_an_evaluation(
    told: Told, source: str, share: float | None
) -> None:
    """share: of the images that are to leave at the first exit; None: as the network says."""
    place = told.place
    trained = open_trained("pets:best", place / "results")
    assert trained.config.provenance is not None
    spec = trained.config.provenance.data_spec()
    preprocessing = trained.config.preprocessing
    assert preprocessing is not None
    split = load_test(spec)
    logits = answers(trained.network, split, preprocessing.mean, preprocessing.std)
    sure, classes = confidence(logits)
    limits = torch.tensor(trained.policy.thresholds)
    options: list[object] = []
    if share is not None:
        ranked = sure[:, 0].sort().values
        edges = torch.cat([torch.zeros(1), (ranked[1:] + ranked[:-1]) / 2, torch.ones(1)])
        threshold = float(edges[round((1 - share) * len(ranked))])
        options = ["--threshold", threshold]
        limits = torch.tensor([threshold] * (len(limits) - 1) + [0.0])
    exits = (sure >= limits).long().argmax(dim=1)
    rows = torch.arange(len(split))
    folders = [place / "pets" / "test" / name for name in trained.classes]
    found = told.rows(
        place / source if source in ("onnx", "pytorch") else source, *folders, *options
    )
    assert [row["label"] for row in found] == classes[rows, exits].tolist()
    assert [row["exit"] for row in found] == (exits + 1).tolist()
    assert [row["class"] for row in found] == [trained.classes[row["label"]] for row in found]
    expected = sure[rows, exits].numpy()
    assert np.array([row["confidence"] for row in found]) == pytest.approx(expected, abs=1e-5)
    if share is not None:
        assert sum(row["exit"] == 1 for row in found) == round(share * len(rows))


def test_a_line_for_each_image(told: Told) -> None:
    files = sorted((told.place / "pets/test/bars").iterdir())[:2]
    lines = told.text("pets:best", *files).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [*map(str, files)]
    assert all(" ms" in line and "exit " in line for line in lines)


@pytest.mark.parametrize("source", SOURCES)
def test_a_deadline_says_how_far_images_get(told: Told, source: str) -> None:
    picture = told.place / "pets/test/bars/00.png"
    (hurried,) = told.rows(told.opened(source), picture, "--deadline", "1us")
    (patient,) = told.rows(told.opened(source), picture, "--deadline", "1000000ms")
    assert (hurried["exit"], patient["exit"]) == (1, patient["exits"])


@pytest.mark.parametrize("source", SOURCES)
def test_mistakes_are_one_line(told: Told, source: str) -> None:
    picture = told.place / "pets/test/bars/00.png"
    for arguments, said in (
        ((told.place / "none.png",), "no such image file or folder"),
        ((told.place / "onnx/policy.json",), "not a readable image"),
        ((told.place / "results",), "no images in it"),
        ((picture, "--deadline", "soon"), "'soon' is not a latency"),
        ((picture, "--threshold", "-1"), "threshold -1: a confidence is between 0 and 1"),
        ((picture, "--threshold", "0.5", "--deadline", "5ms"), "exclude each other"),
    ):
        err = told.text(told.opened(source), *arguments, code=2)
        assert said in err and err.count("\n") == 1


def test_a_source_without_weights_is_refused(told: Told, tmp_path: Path) -> None:
    picture = told.place / "pets/test/bars/00.png"
    config = tmp_path / "best.yaml"
    assert main(["export", "pets", "-o", str(config), "--out", str(told.place / "results")]) == 0
    assert "no weights; nas train" in told.text(config, picture, code=2)
    weights = told.place / "pytorch" / "weights.safetensors"
    (row,) = told.rows(config, picture, "--weights", weights)
    assert row["label"] == told.rows("pets:best", picture)[0]["label"]
    assert "has its own" in told.text(told.place / "onnx", picture, "--weights", weights, code=2)
