import json
from typing import Any

import numpy as np

from latency.bench import Batch, merged
from latency.campaign import Taken
from latency.protocol import Protocol

PROTOCOL = Protocol()


def batch(samples: list[float], canary: list[float], **facts: Any) -> Batch:
    taken = Taken(
        tuple(np.full((2, 3, 1), ms) for ms in samples), ((1,),) * len(samples), np.array(canary)
    )
    return Batch(taken, {"items": len(samples), "rounds": [2] * len(samples), **facts}, PROTOCOL)


def test_one_batch_is_itself() -> None:
    one = batch([1.0], [0.5])
    assert merged([one]) is one


def test_pieces_and_canaries_follow_one_another_and_facts_are_combined() -> None:
    one = batch([1.0, 2.0], [0.5, 0.6], seconds=1.5, busy=False, restlessness=1.2, load_before=[1])
    two = batch([3.0], [0.4], seconds=2.0, busy=True, restlessness=None, load_before=[2])
    found = merged([one, two])
    assert [float(samples[0, 0, 0]) for samples in found.taken.samples] == [1.0, 2.0, 3.0]
    assert found.taken.parts == ((1,),) * 3
    assert found.taken.canary.tolist() == [0.5, 0.6, 0.4]
    assert found.protocol is PROTOCOL
    assert found.facts == {
        "items": 3,
        "rounds": [2, 2, 2],
        "seconds": 3.5,
        "busy": True,
        "restlessness": 1.2,
        "load_before": [1],
        "canary_ms": 0.4,
        "chunks": [one.facts, two.facts],
    }
    assert json.loads(json.dumps(found.facts)) == found.facts
