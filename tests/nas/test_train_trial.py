"""A trial as a value: through JSON, through training, to the facts that come back."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nas.data.dataset import DataSpec
from nas.errors import UserError
from nas.plugins import space
from nas.training import trial
from nas.training.recipe import Recipe
from nas.training.trial import TrialJob, run
from nas.training.weights import load_bytes
from search_spaces.errors import SpaceError
from search_spaces.msd import msdnet

SMALL = msdnet(nBlocks=2, base=1, step=1, nChannels=4, growthRate=2, grFactor="1-2", bnFactor="1-2")


@pytest.fixture
def job() -> TrialJob:
    return TrialJob(
        space=SMALL.space,
        version=SMALL.version,
        architecture=SMALL.to_json(),
        data=DataSpec("digits", image=16, limit=60),
        recipe=Recipe(epochs=1, crop=1),
        seed=4,
        number=7,
    )


def test_a_job_survives_json(job: TrialJob) -> None:
    assert TrialJob.from_json(json.loads(json.dumps(job.to_json()))) == job
    with pytest.raises(UserError, match="trial: unknown key 'epochs'"):
        TrialJob.from_json(job.to_json() | {"epochs": 3})


def test_a_trial_gives_facts_and_weights(job: TrialJob) -> None:
    ticks = iter([0.0, 1.0, 3.0, 4.0, 6.0])
    told: list[tuple[tuple[float, ...], bytes | None]] = []
    outcome = run(job, on_epoch=lambda *seen: told.append(seen), clock=ticks.__next__)
    assert (outcome.number, outcome.epochs, outcome.seconds) == (7, 1, 5.0)
    assert outcome.held_out.images == 500 and outcome.held_out.exits == 2
    assert told == [(outcome.losses, None)]
    assert len(outcome.losses) == 1
    rebuilt = space(job.space).build(SMALL, (1, 16, 16), 10)
    load_bytes(rebuilt, outcome.weights)


def test_a_trial_is_a_function_of_its_job(job: TrialJob) -> None:
    first, again = run(job), run(TrialJob.from_json(job.to_json()))
    assert first.weights == again.weights
    assert (first.held_out.confidence == again.held_out.confidence).all()


def test_a_process_loads_its_images_once(job: TrialJob) -> None:
    run(job)
    first = trial.cached(job.data)
    run(job)
    assert trial.cached(job.data) is first
    assert trial.cached(replace(job.data, limit=50)) is not first


def test_an_architecture_of_another_version_is_refused(job: TrialJob) -> None:
    other = SMALL.to_json() | {"version": SMALL.version + 1}
    with pytest.raises(SpaceError):
        run(TrialJob.from_json(job.to_json() | {"architecture": other}))


def test_a_trial_with_checkpoint_finds_the_same(job: TrialJob) -> None:
    saving = TrialJob.from_json(json.loads(json.dumps(job.to_json() | {"checkpoint": True})))
    assert saving == replace(job, checkpoint=True)
    ours, theirs = run(saving).held_out, run(job).held_out
    np.testing.assert_allclose(ours.confidence, theirs.confidence, atol=0.01)
