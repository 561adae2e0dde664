import json

import numpy as np
import pytest

from nas.errors import UserError
from nas.measurement import HeldOut, Measurement
from tests.nas.made_up import held_out, measurement


def test_held_out_facts_survive_the_disk(tmp_path):
    facts = held_out(images=50, exits=3, seed=1)
    facts.save(tmp_path / "7.npz")
    read = HeldOut.load(tmp_path / "7.npz")
    assert read.confidence.dtype == np.float16
    assert read.correct.dtype == np.bool_
    np.testing.assert_array_equal(read.confidence, facts.confidence)
    np.testing.assert_array_equal(read.correct, facts.correct)
    assert [path.name for path in tmp_path.iterdir()] == ["7.npz"]  # no temporary file stays


def test_saving_again_replaces_the_file(tmp_path):
    held_out(images=50, exits=3, seed=1).save(tmp_path / "7.npz")
    held_out(images=20, exits=2, seed=1).save(tmp_path / "7.npz")
    assert (HeldOut.load(tmp_path / "7.npz").images, HeldOut.load(tmp_path / "7.npz").exits) == (
        20,
        2,
    )


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "7.npz").mkdir()
    with pytest.raises(IsADirectoryError):
        held_out(images=5, exits=2, seed=1).save(tmp_path / "7.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["7.npz"]


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 torn"])
def test_a_broken_file_is_named_in_one_line(tmp_path, content):
    (tmp_path / "7.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"^.*7\.npz: not a file of held-out facts [^\n]*$"):
        HeldOut.load(tmp_path / "7.npz")


def test_a_file_torn_anywhere_is_refused(tmp_path):
    facts = held_out(images=30, exits=2, seed=1)
    facts.save(tmp_path / "7.npz")
    whole = (tmp_path / "7.npz").read_bytes()
    for cut in range(0, len(whole), 37):
        (tmp_path / "torn.npz").write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"torn\.npz"):
            HeldOut.load(tmp_path / "torn.npz")


def test_a_pickle_inside_is_never_opened(tmp_path):
    np.savez(tmp_path / "7.npz", confidence=np.array([{}], object), correct=np.zeros((1, 1)))
    with pytest.raises(UserError, match="not a file of held-out facts"):
        HeldOut.load(tmp_path / "7.npz")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"8\.npz: no such file"):
        HeldOut.load(tmp_path / "8.npz")


@pytest.mark.parametrize(
    ("confidence", "correct"),
    [
        (np.full((4, 2), np.nan), np.ones((4, 2))),
        (np.full((4, 2), 1.5), np.ones((4, 2))),
        (np.full((4, 2), 0.5), np.ones((4, 3))),
        (np.full(4, 0.5), np.ones(4)),
        (np.full((0, 2), 0.5), np.ones((0, 2))),
    ],
)
def test_what_is_no_confidence_is_refused(confidence, correct):
    with pytest.raises(ValueError, match=r"confidence"):
        HeldOut(confidence, correct)


def test_held_out_facts_cannot_be_changed():
    given = np.full((4, 2), 0.5, np.float16)
    facts = HeldOut(given, np.ones((4, 2), bool))
    given[:] = 0.9
    assert float(facts.confidence.max()) == 0.5
    with pytest.raises(ValueError, match="read-only"):
        facts.correct[0, 0] = False


def test_facts_go_through_json():
    measured = measurement()
    text = json.dumps(measured.facts(), allow_nan=False)
    back = Measurement.from_facts(json.loads(text), measured.held_out)
    assert back.facts() == measured.facts()
    assert back.exit_latency_ms == measured.exit_latency_ms
    assert back.exit_macs == measured.exit_macs


def test_curve_holds_latency_and_accuracy_of_every_exit():
    measured = measurement(exits=3)
    assert [latency for latency, _ in measured.curve()] == [1.0, 2.0, 3.0]
    assert [accuracy for _, accuracy in measured.curve()] == [
        measured.accuracy_of_exit(k) for k in range(3)
    ]
    right = int(measured.held_out.correct[:, 2].sum())
    assert measured.accuracy_of_exit(-1) == right / 400


@pytest.mark.parametrize("latency", [(1.0,), (1.0, 0.0), (1.0, float("nan")), (1.0, float("inf"))])
def test_latencies_that_are_none_are_refused(latency):
    with pytest.raises(ValueError, match="latenc"):
        Measurement(latency, (1, 2), 10, held_out(5, 2, 0), 1.0, 1, 0)
