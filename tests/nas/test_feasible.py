"""A space without a network within the bounds is told before anything is trained."""

import re
from pathlib import Path

import numpy as np
import pytest

from latency.macs import MacsLatency
from nas import plugins
from nas.bounds import Bounds
from nas.cli.main import main
from nas.errors import UserError
from nas.feasible import refuse_empty
from nas.interruption import Stopped
from nas.latency.known import Facts, Known, Sizes
from nas.latency.search_model import Shape
from nas.objective import Objective
from nas.rewards import Reward
from nas.searches import search
from search_spaces.architecture import Architecture
from tests.nas.small_msd import SMALL, WHERE

SHAPE = Shape(SMALL, (1, 8, 8), 10)


def sizes() -> list[int]:
    """Parameters of 300 networks of the space."""
    rng, known = np.random.default_rng(1), Sizes(SHAPE, Bounds())
    return sorted(known.facts(SMALL.sample(rng)).parameters for _ in range(300))


def test_a_space_with_a_network_within_the_bounds_is_not_refused() -> None:
    least = sizes()[0]  # hardly one draw in a hundred: the neighbours of others lead there
    refuse_empty(SMALL, Sizes(SHAPE, Bounds(parameters=least)), 0, lambda: None, print)


def test_what_the_nearest_needs_is_said() -> None:
    said: list[str] = []
    with pytest.raises(
        UserError, match=r"the nearest of [0-9,]+ has [0-9,]+ parameters, over 10$"
    ) as e:
        refuse_empty(SMALL, Sizes(SHAPE, Bounds(parameters=10)), 0, lambda: None, said.append)
    assert said == ["none of 32 networks is within the bounds yet: looking around the nearest"]
    found = re.search("has ([0-9,]+) parameters", str(e.value))
    assert found is not None
    assert int(found[1].replace(",", "")) <= sizes()[0]


def test_a_space_that_is_looked_at_as_a_whole_is_refused_too() -> None:
    space = plugins.space("ensemble")
    known = Sizes(Shape(space, (3, 32, 32), 10), Bounds(parameters=10))
    with pytest.raises(UserError, match=r"the nearest of \d+ has [0-9,]+ parameters, over 10$"):
        refuse_empty(space, known, 0, lambda: None, print)


def test_several_bounds_are_said_together() -> None:
    objective = Objective.parse("reward", Reward.soft(1.0))
    known = Known(SHAPE, MacsLatency(), objective, Bounds(1e-9, 10, 100))
    with pytest.raises(UserError, match=r"ms to its last exit, .* parameters, .* MACs, over 100"):
        refuse_empty(SMALL, known, 0, lambda: None, print)


def test_networks_that_cannot_be_built_are_for_the_trials_to_tell() -> None:
    class Broken(Sizes):
        def facts(self, architecture: Architecture) -> Facts:
            raise ValueError("no room for a pool")

    refuse_empty(SMALL, Broken(SHAPE, Bounds(parameters=10)), 0, lambda: None, print)


def test_it_can_be_stopped() -> None:
    def check() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        refuse_empty(SMALL, Sizes(SHAPE, Bounds()), 0, check, print)


def test_the_command_says_it_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["search", "--runtime", "macs", "--max-parameters", "10"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("error: no network of space 'msd' was found within the bounds")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("controller", ["random", "surrogate"])
def test_a_search_trains_nothing_beyond_the_bounds(
    controller: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)
    most = sizes()[30]
    run = search(
        runtime="macs", executor="inline", trials=3, epochs=1, limit=40, target_latency=10.0,
        controller=controller, max_parameters=most, out=str(tmp_path),
    )  # fmt: skip
    trained = [each.measurement for each in run.records() if each.measurement]
    assert len(trained) == 3
    assert all(each.parameters <= most for each in trained)
    assert len(run.records()) == 3  # nothing beyond them was as much as proposed
