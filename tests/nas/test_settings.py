from pathlib import Path

import pytest

from nas.errors import UserError
from nas.quantities import count, duration_s, latency_ms
from nas.settings import SOFT_W, SearchSettings, load, parse


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("90s", 90), ("15m", 900), ("1.5 h", 5400), (30, 30), ("1d", 86400)],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "ms"), [("2ms", 2.0), ("1.5 ms", 1.5), ("800us", 0.8), ("0.01s", 10.0), (3, 3.0)]
)
def test_latencies(text: str | float, ms: float) -> None:
    assert latency_ms(text) == pytest.approx(ms)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2M", 2_000_000),
        ("500k", 500_000),
        ("1.5G", 1_500_000_000),
        ("20000", 20_000),
        (7, 7),
        ("16.1k", 16_100),
    ],
)
def test_counts(text: str | float, number: int) -> None:
    assert count(text) == number


@pytest.mark.parametrize("text", ["0", "-2M", "many", "1.2345k", "2ms", "", True, 0.5])
def test_what_is_no_count(text: str | float) -> None:
    with pytest.raises(UserError, match="is not a number such as 2M"):
        count(text)


@pytest.mark.parametrize("text", ["0", "0ms", "-1ms", "fast", "2", "", "1e3ms", "nanms", 0, True])
def test_what_is_no_latency(text: str | float) -> None:
    with pytest.raises(UserError, match="is not a latency such as 2ms") as caught:
        latency_ms(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["0s", "-2h", "long", "3", "2ms", float("nan"), float("inf")])
def test_what_is_no_duration(text: str | float) -> None:
    with pytest.raises(UserError, match="is not a duration such as 90s"):
        duration_s(text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trails": 3}, "unknown option 'trails'; options are .*trials"),
        ({"trials": 0}, "trials 0: .*greater than or equal to 1"),
        ({"trials": "3"}, "trials '3': .*integer"),
        ({"target_latency": "fast"}, "target latency 'fast' is not a latency"),
        ({"max_parameters": "lots"}, "max parameters 'lots' is not a number such as 2M"),
        ({"max_time": "0s"}, "max time '0s' is not a duration"),
        ({"hard": True, "w": -0.1}, "w and hard exclude each other"),
        ({"controller_options": "batch"}, "options 'batch': it must be NAME=VALUE"),
        ({"controller_options": "seed=3"}, "options 'seed' is given by the search itself"),
        ({"controller_options": {"batch": [1]}}, "controller_options"),
        ({"controller_options": {"cost": 1}}, "options 'cost' is given by the search itself"),
        ({"w": 0.1}, "w 0.1: .*less than or equal to 0"),
        ({"name": "../up"}, "name '../up' is not a run name"),
        ({"executor": "cloud"}, "executor 'cloud': .*'ray' or 'inline'"),
        ({"executor": "inline", "ray_address": "auto"}, "ray_address needs executor ray"),
        ({"device": "ray:pi5"}, "device 'ray:pi5' needs ray_address"),
    ],
)
def test_bad_options_are_named_in_one_line(options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        parse(options)
    assert "\n" not in str(caught.value)


def test_yaml_gives_the_same_settings_back(tmp_path: Path) -> None:
    settings = parse(
        {
            "target_latency": "1.23456789ms",
            "max_time": "0.1h",
            "lr": 0.1,
            "name": "a.b-1",
            "controller_options": "screening=false, startup=20",
        }
    )
    (tmp_path / "search.yaml").write_text(settings.to_yaml())
    assert parse(load(tmp_path / "search.yaml")) == settings
    assert settings.controller_options == {"screening": False, "startup": 20}
    assert "target_latency: 1.23456789ms" in settings.to_yaml()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trails: 3", "unknown option 'trails'"),
        ("schema_version: 2\nnew: 1", "schema version 2, this nas reads 1"),
        ("trials: 3\ntrials: 4", "given twice"),
        ("- trials", "must hold a mapping"),
        ("trials: 1e3", "trials"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_reward_is_soft_unless_it_is_hard() -> None:
    assert SearchSettings().soft_w == SOFT_W
    assert parse({"w": -0.2}).soft_w == -0.2
    assert parse({"hard": True}).w is None
