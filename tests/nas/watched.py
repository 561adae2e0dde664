"""A run as the page is told of it, for several tests."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import TrialState

from nas.dashboard.rows import Row
from nas.dashboard.trials import Trials
from nas.dashboard.watch import Watch
from nas.run import Run
from nas.store import FACTS, Store


def whole(run: Run) -> dict[str, Any]:
    """Head, trials (in order) and progress."""
    watch = Watch(run, run.name)
    try:
        for _ in watch.look():
            pass
        trials = [trial for _, trial in sorted(watch.trials.items())]
        return {"head": watch.head, "trials": trials, "progress": watch.progress(time.time())}
    finally:
        watch.close()


def kept(run: Run, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Trials of made-up states and facts."""
    trials = Trials(run, run.space(), {})
    return [
        trials.value(Row(number, TrialState[state], None, None, {FACTS: json.dumps(facts)}))
        for number, (state, facts) in enumerate(rows)
    ]


def study_of(run: Run) -> Store:
    """The study of a run, made where there is none."""
    return Store(run.storage_url, run.name, run.objective().directions)


def hostile(run: Run, name: str) -> None:
    """Gives folder and study of a run a name that no command would give them."""
    import sqlite3

    with sqlite3.connect(run.path / "study.db") as database:
        database.execute("UPDATE studies SET study_name = ?", (name,))
    database.close()
    run.path.rename(run.path.with_name(name))
