import json
from pathlib import Path

import pytest

from controllers.errors import ControllerError
from nas import plugins
from nas.proposals import derived_seed, propose, refuse_unfit
from nas.store import Store, read
from tests.nas.small_msd import SMALL


def test_seeds_are_the_same_everywhere_and_differ_by_purpose() -> None:
    assert derived_seed(0, "trial", 1) == 219888264
    seeds = {derived_seed(seed, "trial", n) for seed in range(10) for n in range(100)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_proposal_is_an_architecture_of_the_space(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    store = Store(url, "run", ["maximize"])
    sampler = plugins.controller("random", space=SMALL, seed=0)
    proposals = [propose(store, sampler, SMALL) for _ in range(5)]
    assert [proposal.number for proposal in proposals] == list(range(5))
    for proposal, row in zip(proposals, read(url, "run"), strict=True):
        assert set(row.params) == set(SMALL.distributions())
        assert SMALL.architecture(row.params) == proposal.architecture
        assert SMALL.from_json(json.loads(json.dumps(proposal.architecture.to_json()))).key


def test_a_controller_that_cannot_is_refused_before_the_search() -> None:
    sampler = plugins.controller("reinforce", space=SMALL, seed=0)
    refuse_unfit(sampler, SMALL, ["maximize"])
    with pytest.raises(ControllerError, match="one objective"):
        refuse_unfit(sampler, SMALL, ["maximize", "minimize"])
