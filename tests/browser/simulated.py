"""Runs that the page is shown with: simulated, with the real space."""

from pathlib import Path

from nas.run import Run
from tests.nas.simulated_search import drive, simulated_run


def simulated(out: Path, name: str, trials: int, **options: object) -> Run:
    run = simulated_run(out, name=name, trials=trials, **options)
    drive(run, failing=(3,), images=200)
    return run
