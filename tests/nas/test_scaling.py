"""Every family is scaled to half and to more of its MACs; a new one is tested by being listed."""

import json
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nas
from latency.macs import MacsLatency
from latency.source import LatencyEstimate
from nas import plugins
from nas.cli.main import main
from nas.errors import UserError
from nas.scaling import TOLERANCE, Scaling, macs, scale
from search_spaces.architecture import Architecture, Decision, Domain
from search_spaces.blocks import BlockGraph
from search_spaces.errors import SpaceError
from search_spaces.operators import costs
from search_spaces.space import SearchSpace
from search_spaces.widths import nearest_option, scaled_value

IMAGE, CLASSES = (3, 32, 32), 10
LARGEST = 500e6
MSD = plugins.space("msd")
BATCH_4 = MSD.published["msdnet-cifar-batch-4"]


def lazy_macs(architecture: Architecture) -> int:
    space = plugins.space(architecture.space)
    return costs(space.blocks(architecture, IMAGE, CLASSES)).lazy_macs[-1]


@cache
def networks(name: str) -> tuple[Architecture, ...]:
    """Up to two published networks that a test can afford, or a random one if there are none."""
    space = plugins.space(name)
    affordable = (a for a in space.published.values() if lazy_macs(a) < LARGEST)
    rng = np.random.default_rng(0)
    return tuple(islice(affordable, 2)) or (space.sample(rng),)


def scanned(space: SearchSpace, architecture: Architecture) -> list[int]:
    """MACs of what common factors build."""
    found = {a.key: a for a in (space.scaled(architecture, f) for f in np.geomspace(0.2, 3, 30))}
    return [lazy_macs(each) for each in found.values()]


def only_widths_changed(scaled: Scaling, before: Architecture) -> bool:
    after, widths = scaled.architecture, set(scaled.widths)
    same = {name for name in before if name in after and before[name] == after[name]}
    return set(before) - same == widths and [*before] == [*after]


@pytest.mark.parametrize("times", [0.5, 1.7])
@pytest.mark.parametrize(
    "which", [slice(1), pytest.param(slice(1, 2), marks=pytest.mark.slow)], ids=["first", "second"]
)
@pytest.mark.parametrize("name", plugins.SPACES)
def test_a_target_of_macs_is_met_or_the_nearest_are_named(
    name: str, which: slice, times: float
) -> None:
    for architecture in networks(name)[which]:
        target = times * lazy_macs(architecture)
        scaled = scale(architecture, target_macs=target, image=IMAGE, classes=CLASSES)
        assert scaled.reached is not None
        assert scaled.reached.value == scaled.after.macs == lazy_macs(scaled.architecture)
        if not scaled.reached.within_tolerance:
            missed = abs(scaled.after.macs - target)
            space = plugins.space(name)
            assert all(abs(each - target) >= missed for each in scanned(space, architecture))
            sides = (scaled.reached.below, scaled.reached.above)
            assert min(abs(side - target) for side in sides if side is not None) == missed


@settings(max_examples=6)
@given(target=st.floats(12e6, 1e9))  # below, steps of a channel are too high for it
def test_msdnet_meets_any_target_within_three_percent(target: float) -> None:
    scaled = scale(BATCH_4, target_macs=target)
    assert scaled.reached is not None
    assert abs(scaled.reached.distance) <= TOLERANCE
    assert only_widths_changed(scaled, BATCH_4)


def test_what_no_width_comes_near_is_refused() -> None:
    with pytest.raises(UserError, match="1,000 MACs cannot be reached by widths: the least is 4,0"):
        scale(BATCH_4, target_macs=1000)


def test_a_little_below_the_smallest_network_the_smallest_is_given() -> None:
    scaled = scale(BATCH_4, target_macs=3e6)
    assert scaled.reached is not None
    assert scaled.reached.below is None
    assert scaled.reached.above == scaled.after.macs
    assert (scaled.architecture["channels"], scaled.architecture["growth_rate"]) == (1, 1)


def test_the_own_size_is_the_network_itself() -> None:
    own = scale(BATCH_4, width=1.0)
    assert own.architecture.key == BATCH_4.key
    assert own.widths == {}
    assert scale(BATCH_4, target_macs=own.before.macs).architecture.key == BATCH_4.key


def test_scaled_widths_are_rounded_half_up_within_their_domain() -> None:
    whole = Decision("channels", (16, 8), domain=Domain("int", 2, 40), width=True)
    share = Decision("width", (1.0, 0.5), domain=Domain("float", 0.1, 4), width=True)
    fixed = Decision("filters", (16, 32), width=True)
    assert [scaled_value(whole, 5, f) for f in (0.5, 0.7, 0.01, 100.0)] == [3, 4, 2, 40]
    assert [scaled_value(share, 1.0, f) for f in (1 / 3, 0.01, 100.0)] == [0.3333, 0.1, 4.0]
    assert scaled_value(share, 1, 0.5) == 0.5
    assert scaled_value(fixed, 16, 1.7) == 32
    assert [nearest_option(whole, v) for v in (9, 13, True, "wide", None)] == [8, 16, 16, 16, 16]


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_factors_that_scale_nothing_are_refused(factor: float) -> None:
    with pytest.raises(SpaceError, match="width factor"):
        MSD.scaled(BATCH_4, factor)


@pytest.mark.parametrize("times", [0.7, 1.6])
def test_a_simulated_latency_is_met(times: float) -> None:
    plain = MSD.published["msdnet-cifar-plain"]
    own_ms = MacsLatency().estimate(MSD.blocks(plain, IMAGE, 100))[-1].latency_ms
    scaled = nas.scale(plain, target_latency=times * own_ms, latency=MacsLatency())
    assert scaled.reached is not None
    assert abs(scaled.reached.distance) <= TOLERANCE
    found_ms = MacsLatency().estimate(MSD.blocks(scaled.architecture, IMAGE, 100))[-1].latency_ms
    assert scaled.after.latency_ms == scaled.reached.value == found_ms
    assert scaled.before.latency_ms == own_ms


def test_a_noisy_latency_takes_few_measurements() -> None:
    rng = np.random.default_rng(0)
    asked: list[BlockGraph] = []

    class Noisy(MacsLatency):
        def estimate(self, graph: BlockGraph, seed: int = 0) -> tuple[LatencyEstimate, ...]:
            asked.append(graph)
            true = super().estimate(graph, seed)[-1].latency_ms
            ms = true * rng.normal(1, 0.03)
            return (LatencyEstimate(ms, ms, ms, "measured"),)

    scaled = scale(BATCH_4, target_latency="12ms", latency=Noisy())
    assert scaled.reached is not None
    assert scaled.reached.value == pytest.approx(12, rel=0.05)
    assert len(asked) <= 8


@pytest.mark.parametrize(
    ("text", "number"),
    [("140M", 140e6), ("1.2G", 1.2e9), ("140000000", 140e6), ("140 m", 140e6), (140e6, 140e6)],
)
def test_macs_are_read_with_and_without_prefix(text: str | float, number: float) -> None:
    assert macs(text) == number


@pytest.mark.parametrize("text", ["", "M", "-1M", "0", "1e6x", "nan", "inf", "1,000", 0.5, True])
def test_what_is_no_number_of_macs_is_refused(text: Any) -> None:
    with pytest.raises(UserError, match="140M"):
        macs(text)


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--width", "0.5", "--target-macs", "20M"], "exactly one"),
        (["--target-macs", "20M", "--target-latency", "3ms"], "exactly one"),
        ([], "exactly one"),
        (["--target-macs", "-20M"], "'-20M'"),
        (["--target-macs", "many"], "'many'"),
        (["--target-latency", "-3ms"], "'-3ms'"),
        (["--target-latency", "fast"], "'fast'"),
        (["--target-latency", "3ms", "--runtime", "onx"], "onx"),
        (["--width", "0"], "width factor"),
        (["--width", "-1"], "width factor"),
        (["--width", "wide"], "--width"),
        (["--width", "0.5", "-o", "narrow.txt"], ".yaml"),
        (["--width", "0.5", "-o", "gone/narrow.yaml"], "no folder"),
        (["--width", "0.5", "--image", "3x0"], "3x0"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scale", "msdnet-cifar-batch-4", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err
    assert list(Path().iterdir()) == []


@pytest.mark.usefixtures("_elsewhere")
def test_the_file_is_the_network_and_is_not_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["scale", "msdnet-cifar-batch-4", "--target-macs", "20M", "-o", "narrow.yaml"]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == "narrow.yaml"
    assert told["after"]["macs"] == told["target"]["value"]
    found = nas.load_architecture("narrow.yaml")
    assert found.key == told["key"]
    assert nas.describe(found).parameters == told["after"]["parameters"]
    assert main(command) == 2
    assert "exists" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert "+0.6 % from the target of 20,000,000 MACs" in capsys.readouterr().out


@pytest.mark.usefixtures("_elsewhere")
def test_a_target_out_of_reach_is_told_with_its_neighbours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["scale", "msdnet-cifar-batch-4", "--target-macs", "3M"]) == 0
    out = capsys.readouterr().out
    assert "+33.9 % from the target of 3,000,000 MACs; nearest below none found" in out
    assert "nearest above 4,017,664 (+33.9 %)" in out
    assert list(Path().iterdir()) == []
