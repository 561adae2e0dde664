"""The held-out images that leave a network at one of its exits, as a small picture."""

from typing import TYPE_CHECKING

import numpy as np

from nas.dashboard.configs import score
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.data.dataset import Dataset
    from nas.record import TrialRecord
    from nas.run import Run

MOST = 12  # images of a picture


def leaving(run: "Run", record: "TrialRecord", row: int | None, exit: int) -> bytes:
    """Return a PNG of up to ``MOST`` held-out images that leave at an exit under a policy.

    Each has its class, how sure the exit was of its answer, and whether that was right. They lie
    evenly over the images that leave there, the surest first.

    Args:
        run: the run whose data are shown.
        record: a complete trial of it.
        row: of ``policy_scores``, from 0; None is the policy that the run's objective gives.
        exit: counted from 1.

    Raises:
        UserError: there is no such trial, policy, exit or image, or the data are not here.
    """
    from nas.evaluation.sheet import Picture, sheet
    from nas.exits.leaving import exits_taken

    measured = record.measurement
    if measured is None:
        raise UserError(f"trial {record.trial} of run {run.name!r} is {record.state}")
    held_out = measured.held_out
    if not 1 <= exit <= held_out.exits:
        raise UserError(f"trial {record.trial} has exits 1 to {held_out.exits}, no exit {exit}")
    seen = score(run, record, row) or run.objective().view(measured)
    dataset = _dataset(run, held_out.images)
    here = np.flatnonzero(exits_taken(seen.policy, held_out) == exit - 1)
    if not len(here):
        raise UserError(f"no held-out image leaves trial {record.trial} at exit {exit}")
    sure = held_out.exact[here, exit - 1]
    here = here[np.argsort(-sure, kind="stable")]
    shown = here[np.unique(np.linspace(0, len(here) - 1, MOST).round().astype(int))]
    return sheet(
        [
            Picture(
                dataset.held_out.images[int(number)].numpy(),
                dataset.classes[int(dataset.held_out.labels[int(number)])],
                float(held_out.exact[number, exit - 1]),
                bool(held_out.correct[number, exit - 1]),
            )
            for number in shown
        ]
    )


def _dataset(run: "Run", images: int) -> "Dataset":
    """The run's data. Raises UserError where they are not those that the trials were judged on."""
    from nas.training.trial import cached

    dataset = cached(run.settings.data_spec())
    if len(dataset.held_out) != images:
        raise UserError(
            f"{dataset.name} has {len(dataset.held_out)} held-out images here, the trials of run "
            f"{run.name!r} were judged on {images}"
        )
    return dataset
