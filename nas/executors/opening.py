"""From settings to the place where trials run, opened in two steps.

What is wrong with Ray shows before a latency is measured; its workers, which import torch and read
the data, start only when nothing is measured beside them.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from nas.executors.protocol import Executor, OnReport
from nas.executors.stalls import Limits
from nas.interruption import Interruption
from nas.settings import SearchSettings

if TYPE_CHECKING:
    from nas.data.dataset import DataSpec
    from nas.executors.ray_session import Session


@contextlib.contextmanager
def session(settings: SearchSettings, interruption: Interruption) -> "Iterator[Session | None]":
    """The connection to Ray, None where it is not needed. Raises UserError."""
    if settings.executor == "inline":
        yield None
        return
    from nas.executors.ray_session import Session

    device = settings.device
    measured_gpus = int(device.startswith("ray:") and device.endswith(":cuda"))
    opened = Session(settings.workers, settings.ray_address, settings.gpus_per_trial, measured_gpus)
    interruption.listen_again()  # Ray has its own way to end a driver
    try:
        yield opened
    finally:
        opened.close()


@contextlib.contextmanager
def executor(
    settings: SearchSettings,
    session: "Session | None",
    data: "DataSpec",
    interruption: Interruption,
    on_report: OnReport,
    on_batch: Callable[[], None] = lambda: None,
) -> Iterator[Executor]:
    """The workers, warm. Raises UserError, and Stopped from `interruption`.

    on_batch: called at every batch that is trained in this process.
    """
    if session is None:
        opened = _inline(settings, interruption, on_report, on_batch)
    else:
        from nas.executors.ray_actors import RayExecutor  # only now: its session imports Ray

        opened = RayExecutor(
            session,
            settings.workers,
            settings.gpus_per_trial,
            data,
            on_report,
            interruption.check,
            Limits(settings.trial_timeout),
        )
    try:
        yield opened
    finally:
        opened.close()


def _inline(
    settings: SearchSettings,
    interruption: Interruption,
    on_report: OnReport,
    on_batch: Callable[[], None],
) -> Executor:
    from latency.lane import Lane
    from nas.executors.inline import InlineExecutor

    lane = Lane()

    @contextlib.contextmanager
    def pause() -> Iterator[None]:
        interruption.check()
        on_batch()
        with lane.training():
            yield

    return InlineExecutor(pause, on_report, Limits(settings.trial_timeout))
