"""Sixteen bits where they pay: which networks, found how, and always with the same result."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

import nas
from nas import plugins, searches
from nas.data.dataset import Dataset, DataSpec
from nas.data.load import load
from nas.settings import load as load_settings
from nas.settings import parse
from nas.training import processor
from nas.training.precision import in_bfloat16
from nas.training.recipe import PRECISIONS, Recipe
from nas.training.train import train
from nas.training.weights import to_bytes
from search_spaces.architecture import Architecture
from search_spaces.resnet import resnet
from tests.nas.small_msd import WHERE
from tests.nas.test_search_loop import sequence
from tests.nas.test_search_whole import QUICK
from tests.nas.test_train import network

IMAGE = (3, 32, 32)
RESNET_8 = resnet(8)
THIN = resnet(blocks=(1, 1, 1), width=2)
RESNEXT = resnet(blocks=(1, 1, 1), unit="bottleneck", width=64, groups=64, group_width=4)
MOBILE = plugins.space("mnasnet").published["mobilenet-v2-0.35"]


@pytest.mark.parametrize(
    ("architecture", "dense"),
    [(RESNET_8, True), (THIN, False), (RESNEXT, False), (MOBILE, False)],
    ids=["large dense", "small dense", "grouped", "depthwise"],
)
def test_only_large_dense_convolutions_are_worth_sixteen_bits(
    architecture: Architecture, dense: bool
) -> None:
    graph = plugins.space(architecture.space).blocks(architecture, IMAGE, 10)
    assert [in_bfloat16(precision, graph) for precision in PRECISIONS] == [False, dense, True]


@pytest.fixture(scope="module")
def few() -> Dataset:
    return load(DataSpec("digits", image=16, limit=120))


def test_sixteen_bits_give_the_same_weights_bit_for_bit_and_nearly_those_of_32(
    few: Dataset,
) -> None:
    def trained(precision: str) -> tuple[bytes, float]:
        made = network()
        losses = train(made, few, Recipe(epochs=2, crop=1, precision=precision), 3).losses
        assert {parameter.dtype for parameter in made.parameters()} == {torch.float32}
        return to_bytes(made), losses[-1]

    (exact, loss), (rounded, near) = trained("float32"), trained("bfloat16")
    assert trained("bfloat16") == (rounded, near)
    assert rounded != exact
    assert near == pytest.approx(loss, rel=0.05)


def test_the_loss_is_computed_in_32_bits() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        logits = network().training_logits(torch.zeros(2, 1, 16, 16))
    assert {answer.dtype for answer in logits.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("dense", "depthwise", "found"),
    [
        (1.05, 2.0, "float32"),
        (1.4, 0.6, "bfloat16-dense"),
        (1.4, 1.2, "bfloat16-dense"),
        (2.0, 1.5, "bfloat16"),
    ],
)
def test_the_faster_precision_is_taken_where_it_is_clearly_faster(
    dense: float, depthwise: float, found: str
) -> None:
    ticks = _paced([dense, depthwise])
    drawn = torch.get_rng_state()
    assert processor.fastest(ticks.__next__) == found
    assert torch.equal(torch.get_rng_state(), drawn)


def _paced(gains: list[float]) -> Iterator[float]:
    """A clock by which a step in 16 bits takes 1 s, in 32 so many times as long; one is slow."""
    now = 0.0
    for gain in gains:
        for step in range(processor._STEPS + 1):
            for seconds in (gain, 1.0):
                yield now
                if step:  # the first is not timed to its end
                    now += 50.0 if step == 1 else seconds
                    yield now


def test_a_search_tries_the_machine_once_and_its_settings_keep_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)
    monkeypatch.setattr(processor, "of_this_machine", lambda: "bfloat16")
    options = {**QUICK, "controller": "random", "trials": 2}
    run = nas.search("msd", out=str(tmp_path / "a"), **options)
    written = yaml.safe_load((run.path / "search.yaml").read_text())
    assert written["precision"] == "bfloat16"

    def never() -> str:
        raise AssertionError("the machine is tried again")

    monkeypatch.setattr(processor, "of_this_machine", never)
    again = nas.search(**{**load_settings(run.path / "search.yaml"), "out": str(tmp_path / "b")})
    assert sequence(again) == sequence(run)
    assert len(list(searches.resume(run, "+1").records())) == 3
    exact = nas.search("msd", out=str(tmp_path / "c"), **options, precision="float32")
    assert exact.settings.precision == "float32"
    assert sequence(exact) != sequence(run)


def test_a_run_from_before_goes_on_in_32_bits() -> None:
    assert parse({"space": "msd"}).recipe((1, 8, 8), 60).precision == "float32"
