"""What the runs of `conftest` are made of."""

from contextlib import closing

from nas import records
from nas.run import Run
from tests.nas.watched import study_of

TRIALS, FAILING = 10, (0, 1, 2, 3)
HOSTILE = "<img src=x onerror=alert(1)>"


def again(run: Run) -> None:
    """A trial that proposes what an earlier one did, as the search records it."""
    first = next(record for record in run.records() if record.state == "complete")
    assert first.architecture is not None
    assert first.measurement is not None
    with closing(study_of(run)) as store:
        number = store.start({}, {}, {"architecture": first.architecture.to_json()}).number
        facts = records.facts(
            first.architecture, measured=first.measurement.facts(), reused_from=first.trial
        )
        store.complete(number, facts, run.objective().values(first.measurement), {})
