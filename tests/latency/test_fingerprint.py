"""Two fingerprints: what differs is named."""

from typing import Any

import pytest

from latency.errors import LatencyError
from latency.fingerprint import differences, refuse_other

HERE: dict[str, Any] = {
    "runtime": "torch",
    "threads": 1,
    "host": {"cpu": "A", "caches": {"L1 data": "32K", "L2 unified": "1M"}},
}


def test_equal_ones_have_no_differences() -> None:
    assert differences(HERE, {**HERE}) == ()
    refuse_other(HERE, HERE, "the model")


def test_what_differs_is_named_with_both_values() -> None:
    now = {**HERE, "threads": 4, "host": {**HERE["host"], "cpu": "B"}}
    assert differences(HERE, now) == ("threads was 1, is 4", "host cpu was A, is B")


def test_deep_facts_are_named_by_their_path() -> None:
    now = {**HERE, "host": {"cpu": "A", "caches": {"L1 data": "48K", "L2 unified": "1M"}}}
    assert differences(HERE, now) == ("host caches L1 data was 32K, is 48K",)


def test_facts_of_one_side_only_are_differences() -> None:
    now = {name: value for name, value in HERE.items() if name != "threads"} | {"batch": 8}
    assert differences(HERE, now) == ("threads was 1, is None", "batch was None, is 8")


def test_caches_that_cannot_be_read_any_more_are_a_difference() -> None:
    now = {**HERE, "host": {"cpu": "A", "caches": None}}
    assert "host caches L1 data was 32K, is None" in differences(HERE, now)


def test_another_device_is_refused_in_one_line() -> None:
    with pytest.raises(LatencyError) as error:
        refuse_other(HERE, {**HERE, "threads": 4}, "latency model m.json")
    said = "latency model m.json is of another device: threads was 1, is 4; fit it again here"
    assert str(error.value) == said


def test_another_runtime_is_said_in_its_own_words() -> None:
    before = {**HERE, "runtime": "onnxruntime", "providers": "CPU"}
    with pytest.raises(LatencyError) as error:
        refuse_other(before, {**HERE, "runtime": "torch"}, "m.json")
    assert str(error.value) == (
        "m.json is of runtime onnxruntime, not torch: choose onnxruntime, or fit another"
    )
