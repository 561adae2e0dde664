from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from types import SimpleNamespace

import pytest

import controllers
from controllers.errors import ControllerError
from latency import sources
from latency.bench import LocalBench
from latency.errors import LatencyError
from latency.macs import MacsLatency
from latency.measuring import Measuring
from latency.runtimes.torch_eager import TorchEager
from nas import plugins
from nas.errors import UserError
from tests.latency.faked import FakeRuntime


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that declares one thing in every group, and a name that we have."""
    found = EntryPoints(
        EntryPoint(name, f"{__name__}:{value}", f"nas.{group}")
        for group, name, value in [
            ("search_spaces", "theirs", "THEIRS"),
            ("search_spaces", "msd", "THEIRS"),
            ("search_spaces", "misnamed", "THEIRS"),
            ("search_spaces", "unwritten", "UNWRITTEN"),
            ("controllers", "their-controller", "their_controller"),
            ("runtimes", "their-source", "TheirSource"),
            ("runtimes", "their-runtime", "TheirRuntime"),
            ("runtimes", "torch", "TheirRuntime"),
            ("runtimes", "half-done", "HalfDone"),
        ]
    )
    monkeypatch.setattr(plugins, "entry_points", lambda **wanted: found.select(**wanted))
    monkeypatch.setattr(EntryPoint, "load", lambda point: globals()[point.attr])


THEIRS = SimpleNamespace(name="theirs")


def their_controller(name: str, **given: object) -> object:
    return name, given


class TheirSource(MacsLatency):
    name = "their-source"

    def __init__(self, device: str) -> None:
        self.device = device


class TheirRuntime(FakeRuntime):
    name = "their-runtime"

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device


class HalfDone:
    name, prepare = "half-done", None

    def __init__(self, device: str) -> None:
        self.device = device


@pytest.mark.parametrize("name", plugins.SPACES)
def test_every_space_of_the_table_has_the_name_it_is_listed_under(name: str) -> None:
    assert plugins.space(name).name == name


def test_a_typo_is_answered_with_the_closest_name_and_all_of_them() -> None:
    with pytest.raises(UserError) as caught:
        plugins.space("msf")
    assert "did you mean 'msd'?" in str(caught.value)
    assert all(name in str(caught.value) for name in plugins.SPACES)
    assert "\n" not in str(caught.value)


def test_a_name_like_no_other_gets_the_list_without_a_guess() -> None:
    with pytest.raises(UserError, match=r"unknown runtime 'zzzz' \(there are: torch, "):
        plugins.runtime("zzzz")


@pytest.mark.parametrize("group", ["search_spaces", "controllers", "runtimes"])
def test_names_come_from_our_tables(group: plugins.Group) -> None:
    expected = {
        "search_spaces": tuple(plugins.SPACES),
        "controllers": tuple(controllers.names()),
        "runtimes": tuple(sources.RUNTIMES),
    }
    assert plugins.names(group) == expected[group]


@pytest.mark.usefixtures("declared")
def test_entry_points_add_names_and_never_replace_ours() -> None:
    assert plugins.names("search_spaces") == (
        *plugins.SPACES, "misnamed", "theirs", "unwritten",
    )  # fmt: skip
    assert plugins.space("theirs") is THEIRS
    assert plugins.space("msd").name == "msd"
    made = plugins.controller("their-controller", space="s", cost="c", seed=3, depth=2)
    assert made == ("their-controller", {"space": "s", "cost": "c", "seed": 3, "depth": 2})
    assert isinstance(plugins.runtime("their-source", "phone"), TheirSource)
    assert plugins.runtime("torch").bench.runtime.device == "cpu"
    assert isinstance(plugins.bench("torch").runtime, TorchEager)


@pytest.mark.usefixtures("declared")
def test_a_runtime_of_theirs_is_measured_with() -> None:
    source = plugins.runtime("their-runtime", "phone")
    assert isinstance(source, Measuring)
    assert (source.name, source.device) == ("their-runtime", "phone")
    bench = plugins.bench("their-runtime", "phone")
    assert isinstance(bench, LocalBench) and isinstance(bench.runtime, TheirRuntime)


@pytest.mark.usefixtures("declared")
def test_a_source_of_theirs_has_no_bench() -> None:
    with pytest.raises(LatencyError, match="'their-source' tells latencies of whole networks"):
        plugins.bench("their-source")
    with pytest.raises(LatencyError, match="'macs' is simulated by a law"):
        plugins.bench("macs")


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize("make", [plugins.runtime, plugins.bench])
def test_what_is_missing_of_a_runtime_is_named(make: Callable[[str], object]) -> None:
    with pytest.raises(UserError) as caught:
        make("half-done")
    said = "runtime 'half-done' is no Runtime: it has no protocol, shares_host, conditions"
    assert str(caught.value) == said


@pytest.mark.usefixtures("declared")
def test_what_is_wrong_with_a_plug_in_is_one_line() -> None:
    with pytest.raises(UserError, match="'misnamed' calls itself 'theirs'"):
        plugins.space("misnamed")
    with pytest.raises(UserError, match=r"'unwritten' of package \S*test_plugins cannot") as caught:
        plugins.space("unwritten")
    assert "UNWRITTEN" in str(caught.value)


def test_errors_of_the_rooms_pass_through() -> None:
    with pytest.raises(ControllerError, match="no option 'depht'"):
        plugins.controller("random", depht=2)
    with pytest.raises(LatencyError, match="no device 'phone'"):
        plugins.runtime("macs", "phone")


def test_ours_are_made() -> None:
    assert plugins.runtime("macs").name == "macs"
    assert type(plugins.controller("tpe", seed=1)).__name__
