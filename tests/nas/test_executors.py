import itertools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from nas import faults
from nas.data.dataset import DataSpec
from nas.errors import UserError
from nas.executors.inline import InlineExecutor
from nas.executors.protocol import Done, Report, attempt
from nas.executors.stalls import Limits
from nas.faults import Fault
from nas.interruption import Interruption, Stopped
from nas.training.recipe import Recipe
from nas.training.trial import TrialJob
from tests.nas import small_set
from tests.nas.small_msd import SMALL

DATA = DataSpec(str(small_set.PATH), limit=60)
DIVERGED = Fault("nan", "TrainingDiverged: training diverged in epoch 1: not a finite number")


def job(number: int, epochs: int = 1, **recipe: Any) -> TrialJob:
    architecture = SMALL.sample(np.random.default_rng(number))
    return TrialJob(
        space="msd",
        version=SMALL.version,
        architecture=architecture.to_json(),
        data=DATA,
        recipe=Recipe(epochs, crop=1, **recipe),
        seed=number,
        number=number,
    )


def nobody(report: Report) -> None:
    """Hears about epochs."""


def same(one: Done, two: Done) -> bool:
    assert one.outcome is not None, one.fault
    assert two.outcome is not None, two.fault
    assert one.outcome.losses == two.outcome.losses
    return one.number == two.number and one.outcome.weights == two.outcome.weights


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("first\nsecond"), "RuntimeError: first"),
        (MemoryError(), "MemoryError"),
        (ValueError("x" * 1000), "ValueError: " + "x" * 288),
    ],
)
def test_faults_are_one_line(error: Exception, said: str) -> None:
    assert faults.of(error).said == said


def test_what_goes_wrong_in_a_trial_is_its_reason() -> None:
    done = attempt(job(0, lr=1e30), nullcontext, nobody)
    assert (done.number, done.outcome) == (0, None)
    assert done.fault == DIVERGED


def test_inline_trains_one_after_another_and_tells_the_loss_of_every_epoch() -> None:
    heard: list[Report] = []
    executor = InlineExecutor(nullcontext, heard.append)
    assert executor.completed(0) == []
    executor.submit(job(3, epochs=2))
    (done,) = executor.completed(0)
    assert same(done, attempt(job(3, epochs=2), nullcontext, nobody))
    assert done.outcome is not None
    first, second = done.outcome.losses
    assert [(each.number, each.losses) for each in heard] == [(3, (first,)), (3, (first, second))]
    assert heard[0].left is not None
    assert heard[1].left is None
    assert first > second > 0


def test_a_request_to_stop_leaves_an_inline_trial_at_its_next_batch() -> None:
    interruption, batches = Interruption(), []

    @contextmanager
    def pause() -> Iterator[None]:
        batches.append(len(batches))
        interruption.requested = len(batches) == 5
        interruption.check()
        yield

    executor = InlineExecutor(pause, nobody)
    executor.submit(job(0, epochs=100_000))
    with pytest.raises(Stopped):
        executor.completed(0)
    assert len(batches) == 5


def test_the_first_signal_asks_the_second_ends() -> None:
    interruption = Interruption()
    before = signal.getsignal(signal.SIGINT)
    with interruption.listening():
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture(scope="module")
def ray_executor() -> Iterator[Any]:
    from nas.executors.ray_session import Session

    session = Session(workers=1, address=None)
    from nas.executors import ray_crew
    from nas.executors.ray_actors import RayExecutor

    with patch.object(ray_crew, "_RESERVE_AFTER_S", 0.0):
        executor = RayExecutor(session, 1, 0.0, DATA, nobody)
        try:
            yield executor
        finally:
            executor.close()


def ended(executor: Any) -> list[Done]:
    end = time.monotonic() + 120
    while not (done := executor.completed(0.5)):
        assert time.monotonic() < end
    return list(done)


def test_ray_trains_what_inline_trains(ray_executor: Any) -> None:
    ray_executor.submit(job(1))
    (done,) = ended(ray_executor)
    assert same(done, attempt(job(1), nullcontext, nobody))


def test_a_failing_trial_leaves_its_ray_worker_alive(ray_executor: Any) -> None:
    ray_executor.submit(job(0, lr=1e30))
    (done,) = ended(ray_executor)
    assert done.fault == DIVERGED
    ray_executor.submit(job(2))
    assert ended(ray_executor)[0].fault is None


def test_ray_tells_the_losses_of_a_trial_under_way(
    ray_executor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Report] = []
    monkeypatch.setattr(ray_executor, "_on_report", heard.append)
    ray_executor.submit(job(6, epochs=60))
    end, done = time.monotonic() + 120, []
    while not done:
        assert time.monotonic() < end
        done = ray_executor.completed(0.05)
    losses = done[0].outcome.losses
    assert len(losses) == 60
    assert {each.number for each in heard} == {6}
    assert all(each.losses == losses[: len(each.losses)] for each in heard)
    left = [each for each in heard if each.left is not None]
    assert left
    ray_executor.submit(job(6, epochs=60), left[-1].left)
    (again,) = ended(ray_executor)
    assert same(again, done[0])


def worker_of(executor: Any) -> Any:
    """The only worker that trains."""
    (underway,) = executor._jobs.values()
    return underway.worker


def pid_of(executor: Any, worker: Any) -> int:
    return int(executor._crew.place(worker).pid)


def is_heard(executor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Returns once the trial under way has told of an epoch."""
    heard: list[Report] = []
    monkeypatch.setattr(executor, "_on_report", heard.append)
    end = time.monotonic() + 120
    while not any(each.losses for each in heard):
        assert time.monotonic() < end
        assert executor.completed(0.05) == []


def test_a_trial_whose_worker_dies_is_told_and_the_reserve_takes_over(
    ray_executor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_executor.submit(job(5, epochs=100_000))
    is_heard(ray_executor, monkeypatch)
    dead = pid_of(ray_executor, worker_of(ray_executor))
    os.kill(dead, signal.SIGKILL)
    (done,) = ended(ray_executor)
    assert done.fault is not None
    assert done.fault.reason == "worker-died"
    trains_again(ray_executor, dead)
    waits(ray_executor)
    (worker,) = ray_executor._crew._idle
    assert worker != ray_executor._crew._reserve, "it waits again once another worker has a core"


def waits(executor: Any) -> None:
    """Returns when no worker is being started."""
    end = time.monotonic() + 120
    while executor._crew._starting:
        assert time.monotonic() < end
        executor.completed(0.5)


def trains_again(executor: Any, dead: int) -> None:
    """Whether another process trains, and what it is to."""
    end = time.monotonic() + 120
    while executor.capacity == 0:
        assert time.monotonic() < end
        executor.completed(0.5)
    executor.submit(job(4))
    assert pid_of(executor, worker_of(executor)) != dead
    (done,) = ended(executor)
    assert same(done, attempt(job(4), nullcontext, nobody))


def test_a_trial_that_hangs_is_ended_with_its_worker(
    ray_executor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_executor.submit(job(5, epochs=100_000))
    is_heard(ray_executor, monkeypatch)
    monkeypatch.setattr(ray_executor, "_limits", Limits(stall_s=1.0))
    dead = pid_of(ray_executor, worker_of(ray_executor))
    os.kill(dead, signal.SIGSTOP)  # it answers nobody, and hears nothing that Ray says
    (done,) = ended(ray_executor)
    assert done.fault == Fault("timeout", "no batch in 1 s")
    monkeypatch.setattr(ray_executor, "_limits", Limits())
    trains_again(ray_executor, dead)


def test_a_trial_beyond_its_time_is_ended(
    ray_executor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_executor.submit(job(5, epochs=100_000))
    is_heard(ray_executor, monkeypatch)
    dead = pid_of(ray_executor, worker_of(ray_executor))
    monkeypatch.setattr(ray_executor, "_limits", Limits(trial_s=0.1))
    (done,) = ended(ray_executor)
    assert done.fault == Fault("timeout", "still training after 0.1 s")
    monkeypatch.setattr(ray_executor, "_limits", Limits())
    trains_again(ray_executor, dead)


def test_inline_ends_a_trial_beyond_its_time_at_its_next_batch() -> None:
    ticks = itertools.count()
    executor = InlineExecutor(nullcontext, nobody, Limits(trial_s=20), lambda: float(next(ticks)))
    executor.submit(job(3, epochs=100_000))
    (done,) = executor.completed(0)
    assert done.fault == Fault("timeout", "TimeoutError: still training after 20 s")


def test_ray_folders_are_closed_to_others(ray_executor: Any) -> None:
    folder: Path = ray_executor._session._folder
    assert folder.stat().st_mode & 0o077 == 0
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_ray_is_asked_for_no_more_than_it_has(ray_executor: Any) -> None:
    from nas.executors.ray_session import Session

    with pytest.raises(UserError, match=r"^workers 3: Ray has 1 cores, and each worker takes one$"):
        Session(workers=3, address=None)
    gpus = "^gpus_per_trial 64 with 1 workers takes 64 GPUs, Ray has [0-9]+$"
    with pytest.raises(UserError, match=gpus):
        Session(workers=1, address=None, gpus_per_trial=64.0)
    with pytest.raises(UserError, match="takes 64 GPUs besides the 1 that is measured, Ray has"):
        Session(workers=1, address=None, gpus_per_trial=64.0, measured_gpus=1)
    with pytest.raises(UserError, match="parts of one GPU or whole GPUs"):
        Session(workers=1, address=None, gpus_per_trial=1.5)


def test_a_worker_that_cannot_start_is_one_line(ray_executor: Any) -> None:
    from nas.executors.ray_actors import RayExecutor

    waits(ray_executor)
    ray_executor._crew._idle[0].__ray_terminate__.remote()
    nowhere = DataSpec("/nowhere/at/all")
    with pytest.raises(UserError, match=r"^Ray cannot start 1 workers") as caught:
        RayExecutor(Ended(), 1, 0.0, nowhere, nobody)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_worker_that_dies_as_it_starts_is_started_again(ray_executor: Any) -> None:
    import ray

    from nas.executors.ray_crew import Crew

    waits(ray_executor)
    ray_executor._crew._idle[0].__ray_terminate__.remote()  # Ray has one core here
    crew = Crew(1, 0.0, DATA.to_json())
    for worker in crew._starting.values():
        ray.kill(worker)
    crew.wait(lambda: None)
    assert crew.idle == 1
    crew.close()


def test_waiting_for_a_worker_ends_with_the_search(ray_executor: Any) -> None:
    from nas.executors.ray_actors import RayExecutor

    def check() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        RayExecutor(Ended(), 2, 0.0, DATA, nobody, check)  # type: ignore[arg-type]


class Ended:
    """A session that others still use."""

    def close(self) -> None: ...
