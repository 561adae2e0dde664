"""A trial and one of its exit policies as a config file's text."""

from typing import TYPE_CHECKING

from nas.errors import UserError
from nas.exits import PolicyScore, policy_scores

if TYPE_CHECKING:
    from nas.record import TrialRecord
    from nas.run import Run


def text(run: "Run", record: "TrialRecord", row: int | None) -> str:
    """Return the YAML of a config that `nas describe`, `nas train` and `nas export` read.

    `row` counts the scores of ``policy_scores`` from 0; None is the policy that the run's objective
    gives the trial.

    Raises:
        UserError: the trial is not complete or has no such policy, or the data are not here.
    """
    from nas.config import to_yaml
    from nas.exports.config import config_of

    return to_yaml(config_of(run, record, score(run, record, row))).decode()


def score(run: "Run", record: "TrialRecord", row: int | None) -> PolicyScore | None:
    """Return the policy of that row; None where there is no row or nothing is measured.

    Raises UserError for a row that the trial does not have.
    """
    if record.measurement is None or row is None:
        return None
    scores = policy_scores(record.measurement)
    if not 0 <= row < len(scores):
        raise UserError(
            f"trial {record.trial} of run {run.name!r} has no policy {row}; "
            f"its policies are 0 to {len(scores) - 1}"
        )
    return scores[row]
