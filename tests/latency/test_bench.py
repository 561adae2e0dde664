"""A bench: what it prepares is closed, and the lane is free again, however a campaign ends."""

import fcntl
import json
from pathlib import Path

import pytest

from latency.bench import LocalBench, noises
from latency.errors import LatencyError
from latency.lane import ROOM, Lane
from latency.protocol import Protocol
from latency.runtimes.runtime import Piece
from search_spaces.blocks import BlockGraph
from tests.latency.faked import FakeRuntime


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path / "lane")


@pytest.fixture
def piece(graph: BlockGraph) -> Piece:
    return Piece.network(graph)


def is_free(lane: Lane) -> bool:
    if not lane.path.exists():
        return True
    with (lane.path / ROOM).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_pieces_are_measured_with_a_canary(lane: Lane, piece: Piece) -> None:
    runtime = FakeRuntime()
    batch = LocalBench(runtime, lane).measure([piece, piece], seed=5)
    assert runtime.seeds == [5, 5, 5]
    assert [samples.shape for samples in batch.taken.samples] == [(3, 2, 6)] * 2
    assert batch.taken.parts == ((2, 2, 2),) * 2
    assert (batch.taken.canary == 7.0).all()  # seven blocks of a millisecond
    assert batch.protocol == runtime.protocol
    assert noises(batch).tolist() == [0.0, 0.0]
    assert [work.closed for work in runtime.prepared] == [1, 1, 1]


def test_another_protocol_may_be_asked_for(lane: Lane, piece: Piece) -> None:
    protocol = Protocol(rounds=2, warm_up=1, repeats=1)
    batch = LocalBench(FakeRuntime(), lane).measure([piece], 0, protocol)
    assert batch.taken.samples[0].shape == (2, 1, 6)
    assert batch.protocol == protocol


def test_the_lane_is_held_while_work_runs(lane: Lane, piece: Piece) -> None:
    told: list[tuple[str, bool]] = []
    LocalBench(FakeRuntime(), lane).measure(
        [piece], 0, say=lambda what, done, of: told.append((what, is_free(lane)))
    )
    assert set(told) == {("preparing", True), ("rounds", False)}
    assert is_free(lane)


def test_a_device_of_its_own_needs_no_lane(lane: Lane, piece: Piece) -> None:
    batch = LocalBench(FakeRuntime(shares_host=False), lane).measure([piece], 0)
    assert not lane.path.exists()
    assert "lane_contended" not in batch.facts


@pytest.mark.parametrize("when", ["preparing", "rounds"])
def test_what_progress_raises_ends_it(lane: Lane, piece: Piece, when: str) -> None:
    def stop(what: str, done: int, of: int) -> None:
        if what == when and done:
            raise InterruptedError

    runtime = FakeRuntime()
    with pytest.raises(InterruptedError):
        LocalBench(runtime, lane).measure([piece, piece], 0, say=stop)
    assert all(work.closed == 1 for work in runtime.prepared)
    assert is_free(lane)


def test_a_piece_that_cannot_be_prepared_closes_the_others(lane: Lane, piece: Piece) -> None:
    runtime = FakeRuntime(fails=2)
    with pytest.raises(LatencyError, match="the desk cannot run this"):
        LocalBench(runtime, lane).measure([piece, piece], 0)
    assert [work.closed for work in runtime.prepared] == [1, 1]


def test_work_that_fails_to_close_does_not_keep_the_others_open(lane: Lane, piece: Piece) -> None:
    runtime = FakeRuntime()

    def light(what: str, done: int, of: int) -> None:
        if what == "rounds":
            runtime.prepared[1].burns = True

    with pytest.raises(OSError, match="item1 is on fire"):
        LocalBench(runtime, lane).measure([piece, piece], 0, say=light)
    assert [work.closed for work in runtime.prepared] == [1, 1, 1]


def test_progress_is_told(lane: Lane, piece: Piece) -> None:
    told: list[tuple[str, int, int]] = []
    LocalBench(FakeRuntime(), lane).measure([piece], 0, say=lambda *what: told.append(what))
    rounds = [("rounds", done, 3) for done in (1, 2, 3)]
    assert told == [("preparing", 0, 1), ("preparing", 1, 1), *rounds]


def test_facts_are_json_and_tell_how_it_went(lane: Lane, piece: Piece) -> None:
    facts = LocalBench(FakeRuntime(), lane).measure([piece, piece], 0).facts
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["items"], facts["rounds"]) == (2, [3, 3])
    assert (facts["canary_ms"], facts["restlessness"], facts["busy"]) == (7.0, 1.0, False)
    assert facts["lane_contended"] is False
    assert facts["seconds"] >= 0
    assert facts["preemptions"] >= 0
    assert len(facts["load_before"]) == len(facts["load_after"]) == 3


class Warming(FakeRuntime):
    """A device that gets warmer whenever one looks."""

    degrees = 40

    def state(self) -> dict[str, int]:
        self.degrees += 5
        return {"degrees": self.degrees}


def test_a_device_that_tells_its_state_is_asked_before_and_after(lane: Lane, piece: Piece) -> None:
    facts = LocalBench(Warming(), lane).measure([piece], 0).facts
    assert (facts["state_before"], facts["state_after"]) == ({"degrees": 45}, {"degrees": 50})
    assert "state_before" not in LocalBench(FakeRuntime(), lane).measure([piece], 0).facts


def test_nothing_to_measure_is_no_error(lane: Lane) -> None:
    batch = LocalBench(FakeRuntime(), lane).measure([], 0)
    assert batch.taken.samples == ()
    assert (batch.facts["canary_ms"], batch.facts["busy"]) == (None, False)


def test_the_fingerprint_has_the_host_beside_the_conditions(lane: Lane) -> None:
    fingerprint = LocalBench(FakeRuntime(), lane).fingerprint()
    assert fingerprint.items() >= FakeRuntime().conditions().items()
    assert "cpu" in fingerprint["host"]


def test_a_runtime_that_names_its_own_host_keeps_it(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = FakeRuntime()
    monkeypatch.setattr(runtime, "conditions", lambda: {"runtime": "fake", "host": {"cpu": "desk"}})
    assert LocalBench(runtime, lane).fingerprint()["host"] == {"cpu": "desk"}
